import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../scripts/lib/agent-process.js';
import { canSeeProcesses, findLeaks, removeLeaks } from '../support/leaks.js';
import { sample } from '../support/sample.js';

/** Milliseconds: the whole story, on a machine that has other things to do. */
const STORY = 570_000;

let directory: string;
let demo: Demo;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'd-'));
  demo = new Demo(directory);
});

afterEach(async () => {
  demo.end();
  await removeLeaks(directory, await findLeaks(directory));
  await rm(directory, { recursive: true, force: true });
});

describe('the demo', () => {
  const STORIES: Record<string, () => Promise<void>> = {
    'it tells the whole story in plain lines, proves it, and leaves nothing behind': async () => {
      expect(await demo.exitCode(), demo.errors).toBe(0);
      expect(demo.output).not.toContain('\u001b');
      expect(demo.output).toMatch(/VCL3 ✔ rescue .* everything that was written is in coffee_db_/);
      expect(demo.output).toMatch(/VCL3 says: ".* what was written after .* is lost"/);
      expect(demo.output).toMatch(
        /VCL2 ✔ set-aside .* kept as coffee_dev_diverged_\d+_\d+: .* rows in public.orders/,
      );
      expect(tableOf(demo.output)).toEqual([
        { event: "VCL2's app crashed", lost: 0 },
        { event: 'VCL3 handed back (POST /demote)', lost: 0 },
        { event: "VCL2's machine was lost", lost: expect.toSatisfy((lost: number) => lost > 0) },
        { event: 'VCL2 came back (automatic failback)', lost: 0 },
      ]);
      expect(demo.output).toMatch(/all \d+ claims hold; it took \d+ s\n$/);
      expect((await findLeaks(directory)).descriptions).toEqual([]);
    },
    // Who cannot see processes does not find the database.
    ...(canSeeProcesses && {
      'an order vanishes behind its back: it names the claim that does not hold, and fails':
        async () => {
          await demo.says('customers order through VCL1');
          await deleteNewestOrder(await databasePort(directory));
          expect(await demo.exitCode()).toBe(1);
          expect(demo.errors).toContain('this claim does not hold: 0 orders lost');
          expect((await findLeaks(directory)).descriptions).toEqual([]);
        },
    }),
    'Ctrl-C in the middle of a takeover leaves nothing behind': async () => {
      await demo.says('VCL3 ✔ fence');
      demo.interrupt();
      expect(await demo.exitCode()).toBe(130);
      expect(demo.errors).toBe('');
      expect((await findLeaks(directory)).descriptions).toEqual([]);
    },
  };

  // Each takes a minute. CI runs the demo itself as well.
  it.each(sample('demo', Object.keys(STORIES), 1))('%s', { timeout: STORY }, (story) =>
    STORIES[story]?.(),
  );
});

/** `./scripts/demo` without a terminal, with `directory` as its place for temporary files. */
class Demo {
  output = '';
  errors = '';
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown[]>;

  constructor(directory: string) {
    this.#child = spawn(resolve('scripts/demo'), {
      cwd: directory,
      env: { ...process.env, TMPDIR: directory },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.errors += text;
    });
    this.#closed = once(this.#child, 'close');
  }

  async exitCode(): Promise<unknown> {
    const [code] = await this.#closed;
    return code;
  }

  async says(text: string): Promise<void> {
    const isHeard = async () => this.output.includes(text) || this.#child.exitCode !== null;
    await eventually(`the demo says "${text}"`, isHeard, STORY);
    expect(this.output, this.errors).toContain(text);
  }

  interrupt(): void {
    this.#child.kill('SIGINT');
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}

/** The rows of the closing table, without what differs from run to run. */
const tableOf = (output: string): { event: string; lost: number }[] => {
  const rows = output.split('\n').map((line) => line.split('|').map((cell) => cell.trim()));
  return rows
    .filter(([, seconds = '']) => /^\d+\.\d$/.test(seconds))
    .map(([event = '', , lost]) => ({ event, lost: Number(lost) }));
};

/** Where the one database listens that runs under `directory`. */
const databasePort = async (directory: string): Promise<number> => {
  const { pids } = await findLeaks(directory);
  const commands = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8')));
  const ports = commands.flatMap((command) => {
    const port = /database-server\.js\0.*--port=(\d+)/.exec(command)?.[1];
    return port === undefined ? [] : [Number(port)];
  });
  expect(ports).toHaveLength(1);
  return ports[0] ?? 0;
};

const deleteNewestOrder = async (port: number): Promise<void> => {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: 'postgres',
    database: 'coffee_dev',
  });
  await client.connect();
  const { rowCount } = await client.query(
    'DELETE FROM orders WHERE id = (SELECT max(id) FROM orders)',
  );
  await client.end();
  expect(rowCount).toBe(1);
};
