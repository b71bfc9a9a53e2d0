import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createMonitor } from '../../src/background/monitor.js';
import { ColdspareError } from '../../src/domain/errors.js';
import { LABEL, openProject } from '../../src/drivers/compose/project.js';
import { createServices } from '../../src/drivers/compose/services.js';
import type { Executor } from '../../src/drivers/run-command.js';
import { nodeStatus } from '../../src/status/node-status.js';
import { createFakeNode } from '../support/fake-node.js';

const never = new AbortController().signal;
const GONE =
  'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?';
const REMOTE = GONE.replace('unix:///var/run/docker.sock', 'tcp://10.0.0.7:2376');
const UNREADABLE = 'required variable TAG is missing a value: set TAG';

/** A compose project as far as its client's answers go. */
class FakeEngine {
  readonly id = randomBytes(32).toString('hex');
  /** Why compose, or also the engine, does not answer. */
  compose: string | undefined;
  engine: string | undefined;
  runs = true;
  readonly services = createServices({
    project: openProject(this.#executor(), { command: 'docker compose', directory: '/srv/shop' }),
    names: ['app'],
    override: async () => ({}),
    timeouts: { start: 1_000, stop: 1_000 },
    code: 'app-failed',
  });

  #executor(): Executor {
    return {
      run: async ([, ...argv]) => this.#answer(argv),
      open: () => {
        throw new Error('not used here');
      },
    };
  }

  #answer(argv: string[]): string {
    const trouble = argv[0] === 'compose' ? (this.compose ?? this.engine) : this.engine;
    if (trouble !== undefined) throw new ColdspareError('command-failed', trouble, 'mend it');
    if (argv.includes('stop')) this.runs = false;
    const isListing = argv.includes('ps');
    const hasLabel = argv.some((word) => word === `label=${LABEL}.project.working_dir=/srv/shop`);
    if (isListing && argv[0] !== 'compose' && !hasLabel && !argv.includes('--all'))
      return this.runs ? `${this.id}\n` : '';
    if (isListing) return `${this.id}\n`;
    if (argv[0] === 'inspect')
      return `${this.id} ${this.runs} ${this.runs ? 'running' : 'exited'}:0 no /coffee_app app shop\n`;
    return '';
  }
}

describe('H53: "systemctl stop docker" on VCL2, whose agent lives', () => {
  let fake: FakeEngine;
  let holder: ChildProcess | undefined;
  beforeEach(() => {
    fake = new FakeEngine();
  });
  afterEach(async () => {
    if (holder === undefined) return;
    const ended = once(holder, 'exit');
    holder.kill('SIGKILL');
    await ended;
    holder = undefined;
  });

  /** A process that has the container's id in its command line, as a shim has. */
  const holdContainer = async (): Promise<void> => {
    holder = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', '--', fake.id]);
    await once(holder, 'spawn');
  };

  test('no process of the app lives: it does not serve, and the takeover goes on', async () => {
    expect(await fake.services.isRunning()).toBe(true);
    fake.engine = GONE;
    expect(await fake.services.isRunning()).toBe(false);
    await fake.services.stop(never);
  });

  test('the engine was killed, and its containers live on: that is no stop', async () => {
    await fake.services.isRunning();
    await holdContainer();
    fake.engine = GONE;
    await expect(fake.services.isRunning()).rejects.toMatchObject({ code: 'app-failed' });
    await expect(fake.services.stop(never)).rejects.toMatchObject({ code: 'app-failed' });
  });

  test.each([
    ['an engine on another machine', REMOTE],
    ['an engine that hangs', 'docker did not end within 20 s'],
    ['an engine that we may not ask', 'permission denied while trying to connect to unix:///x'],
  ])('%s: nobody knows what runs there', async (_what, trouble) => {
    await fake.services.isRunning();
    fake.engine = trouble;
    await expect(fake.services.stop(never)).rejects.toMatchObject({ code: 'app-failed' });
  });

  test('the compose file cannot be read: the engine says what runs, and stops it', async () => {
    fake.compose = UNREADABLE;
    expect(await fake.services.isRunning()).toBe(true);
    await fake.services.stop(never);
    expect(fake.runs).toBe(false);
  });

  test('the compose file cannot be read, and the app is dead: it counts as stopped', async () => {
    fake.compose = UNREADABLE;
    fake.runs = false;
    expect(await fake.services.isRunning()).toBe(false);
    await fake.services.stop(never);
  });

  test('what VCL3 sees of VCL2 changes: the pauses that an earlier outage made long are over', async () => {
    const standby = await createFakeNode('standby', {
      settings: { monitor: 'on', failThreshold: 1 },
    });
    try {
      const { node } = standby;
      let now = 0;
      node.clock.elapsed = () => now;
      const check = createMonitor(node);
      const lost = node.peer.status;
      const promotes = () => node.runner.list().filter(({ kind }) => kind === 'promote').length;
      const checkAfter = async (seconds: number) => {
        now += seconds * 1_000;
        await check();
        await node.runner.wait(node.runner.current?.id ?? '', 5_000);
      };
      const idle = { ...nodeStatus(node), mode: 'primary' as const, serving: false };
      node.peer.status = async () => idle;
      for (const pause of [0, 15, 30, 60, 120]) await checkAfter(pause);
      expect(promotes()).toBe(5);
      await checkAfter(60);
      expect(promotes()).toBe(5);
      node.peer.status = lost;
      await checkAfter(1);
      await checkAfter(15);
      expect(promotes()).toBe(6);
    } finally {
      await standby.remove();
    }
  });
});
