import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createDatabaseWatch, createGuard } from '../../src/background/guard.js';
import { ColdspareError } from '../../src/domain/errors.js';
import { createService } from '../../src/drivers/host/service.js';
import type { Executor } from '../../src/drivers/run-command.js';
import { unrecorded } from '../../src/engine/operation.js';
import { startDatabase } from '../../src/replication/dumps/start-database.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';
import { roundsOf } from '../support/rounds.js';

const never = new AbortController().signal;
const refuses = async (): Promise<never> => {
  throw new ColdspareError('database-failed', 'sorry, too many clients already', 'wait');
};

describe('H60: the first start of a database takes long', () => {
  let fake: FakeNode;
  beforeEach(async () => {
    fake = await createFakeNode('standby');
  });
  afterEach(() => fake.remove());

  test('longer than its time-out: the command goes on, and the next start waits for it', async () => {
    const runs: AbortSignal[] = [];
    let isUp = false;
    let finish = () => {};
    const executor = {
      run: (argv: readonly string[], options: { signal: AbortSignal }) => {
        if (argv[0] === 'stop') return Promise.resolve('');
        runs.push(options.signal);
        return new Promise<string>((resolve, reject) => {
          options.signal.addEventListener('abort', () => reject(options.signal.reason));
          finish = () => {
            isUp = true;
            resolve('');
          };
        });
      },
    } as unknown as Executor;
    const service = createService({
      ...{ executor, isSlow: true, code: 'database-failed', address: 'here' },
      commands: { start: 'start it', stop: 'stop it' },
      timeouts: { start: 50, stop: 1_000 },
      isRunning: async () => isUp,
    });

    const failure = { code: 'database-failed', message: expect.stringContaining('left to go on') };
    await expect(service.start(never)).rejects.toMatchObject(failure);
    const second = service.start(never);
    // Before its time is up as well.
    await sleep(0);
    finish();
    await second;
    expect(runs).toHaveLength(1);
    expect(runs[0]?.aborted).toBe(false);

    isUp = false;
    await expect(service.start(never)).rejects.toMatchObject(failure);
    await service.stop(never);
    expect(runs).toHaveLength(2);
    expect(runs[1]?.aborted).toBe(true);
  });

  test.each([
    ['does not answer yet', false],
    ['answers', true],
  ])('the operation that needs it fails, and it %s', async (_what, answers) => {
    const { node, database } = fake;
    let stops = 0;
    database.answers = async () => answers;
    database.stop = async () => {
      stops += 1;
    };
    const steps = unrecorded(5_000);
    let undo = async () => {};
    await startDatabase(node, {
      ...steps,
      step: (name, run, options) => {
        const error = new ColdspareError('database-failed', 'it takes long', 'wait');
        undo = async () => options?.undo?.(error);
        return steps.step(name, run, options);
      },
    });
    await undo();
    expect(stops).toBe(answers ? 1 : 0);
  });
});

describe('H60: every connection of the database is taken for two minutes', () => {
  let fake: FakeNode;
  let stops: number;
  beforeEach(async () => {
    fake = await createFakeNode('primary', {
      settings: { appRestartAfter: 1_000, appStartTimeout: 50, aloneGrace: 0 },
    });
    stops = 0;
    fake.app.stop = async () => {
      stops += 1;
    };
  });
  afterEach(() => fake.remove());

  test('the app answers: nothing is started or stopped', async () => {
    const { node, database } = fake;
    const roundAfter = roundsOf(node, createGuard);
    const watch = createDatabaseWatch(node);
    await watch();
    database.answers = async () => false;
    database.live = refuses;
    // The agent says so in its log, and goes by what it saw last.
    await expect(watch()).rejects.toThrow('too many clients');
    expect(node.local.database?.value.answers).toBe(true);
    const before = node.runner.list().length;
    // Before any operation has opened the database, the first round does so.
    for (const ms of [0, 1_000, 2_000, 4_000]) await roundAfter(ms);
    expect(node.runner.list().length).toBeGreaterThan(before);
    expect(stops).toBe(0);
  });

  test('the boots have failed for want of a connection: the app is looked at again before it is stopped', async () => {
    const { node, database } = fake;
    const rounds = roundsOf(node, createGuard);
    const roundAfter = async (ms: number) => (await rounds(ms))?.state;
    const { live } = database;
    database.live = refuses;
    expect(await roundAfter(1_000)).toBe('rolled-back');
    expect(await roundAfter(2_000)).toBe('rolled-back');
    database.live = live.bind(database);
    expect(await roundAfter(4_000)).toBe('done');
    expect(stops).toBe(0);
    expect(fake.app.runs).toBe(true);
  });
});
