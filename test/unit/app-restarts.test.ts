import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createDatabaseWatch, createGuard, createPartsWatch } from '../../src/background/guard.js';
import { ColdspareError } from '../../src/domain/errors.js';
import type { Node } from '../../src/operations/node.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';

const RESTART_AFTER = 1_000;

let primary: FakeNode;
beforeEach(async () => {
  primary = await createFakeNode('primary', {
    settings: { appRestartAfter: RESTART_AFTER, appStartTimeout: 50, aloneGrace: 0 },
  });
});
afterEach(() => primary.remove());

/** Rounds of a watch after so many ms. Each resolves to how the operation ended that it asked for, if it did. */
const rounds = (create: (node: Node) => () => Promise<void>) => {
  const { node } = primary;
  const { elapsed } = node.clock;
  let later = 0;
  node.clock.elapsed = () => elapsed() + later;
  const round = create(node);
  return async (ms: number) => {
    later += ms;
    await round();
    const { current } = node.runner;
    return current && (await node.runner.wait(current.id, 10_000))?.state;
  };
};

test('an app that dies again as soon as it is back is not waited for as long as before', async () => {
  const { app } = primary;
  const roundAfter = rounds(createGuard);
  const start = app.start.bind(app);
  app.start = async () => {};
  app.runs = false;

  expect(await roundAfter(RESTART_AFTER)).toBe('rolled-back');
  expect(await roundAfter(0)).toBeUndefined();
  expect(await roundAfter(RESTART_AFTER)).toBe('rolled-back');
  expect(await roundAfter(2 * RESTART_AFTER)).toBe('rolled-back');

  app.start = start;
  expect(await roundAfter(4 * RESTART_AFTER)).toBe('done');
  app.runs = false;
  expect(await roundAfter(RESTART_AFTER)).toBe('done');
});

test('an app that hangs has its time once more, and is then stopped before it is started', async () => {
  const { app } = primary;
  const roundAfter = rounds(createGuard);
  const { check } = app;
  const done: string[] = [];
  let hangs = true;
  app.check = async () => (hangs ? { outcome: 'hangs', detail: 'no answer' } : check.call(app));
  app.start = async () => {
    done.push('start');
    app.runs = true;
  };
  app.stop = async () => {
    done.push('stop');
    hangs = false;
    app.runs = false;
  };

  expect(await roundAfter(RESTART_AFTER)).toBe('rolled-back');
  expect(done).toEqual(['start']);
  expect(await roundAfter(RESTART_AFTER)).toBe('done');
  expect(done).toEqual(['start', 'stop', 'start']);
});

test('a database dies under an app that answers without it: it is started again, and the app left alone', async () => {
  const { app, database, node } = primary;
  const roundAfter = rounds(createGuard);
  const look = createDatabaseWatch(node);
  const touched: string[] = [];
  app.start = async () => void touched.push('start');
  app.stop = async () => void touched.push('stop');
  app.runs = true;
  // A new agent opens what it finds.
  expect(await roundAfter(RESTART_AFTER)).toBe('done');
  expect(await roundAfter(0)).toBeUndefined();

  const start = database.start.bind(database);
  database.start = async () => {
    throw new ColdspareError('database-failed', 'no room', 'make room');
  };
  database.isUp = false;
  await look();
  expect(await roundAfter(0)).toBeUndefined();
  expect(await roundAfter(RESTART_AFTER)).toBe('rolled-back');
  database.start = start;
  expect(await roundAfter(2 * RESTART_AFTER)).toBe('done');
  expect(node.runner.list()[0]).toMatchObject({ reason: 'the database does not answer' });
  expect(database.isUp).toBe(true);
  expect(await roundAfter(RESTART_AFTER)).toBeUndefined();
  expect(touched).toEqual([]);
});

test('the other node is away as well, and ALONE=wait: the database is started, and the app is not stopped for it', async () => {
  const { app, database, node } = primary;
  node.settings.alone = 'wait';
  await createGuard(node)();
  app.runs = true;
  const roundAfter = rounds(createGuard);
  const touched: string[] = [];
  app.stop = async () => void touched.push('stop');
  await createGuard(node)();
  database.isUp = false;
  await createDatabaseWatch(node)();
  expect(await roundAfter(RESTART_AFTER)).toBe('done');
  expect(database.isUp).toBe(true);
  expect(touched).toEqual([]);
});

describe('a worker of an app that answers is gone', () => {
  let isFullyRunning: boolean;
  let started: number;
  beforeEach(() => {
    const { app } = primary;
    isFullyRunning = true;
    started = 0;
    app.isFullyRunning = async () => isFullyRunning;
    app.start = async () => {
      started += 1;
      isFullyRunning = true;
    };
  });
  const look = async () => {
    await createGuard(primary.node)();
    return rounds(createPartsWatch);
  };

  test('it is started again, without a question to the other node and without a stop of the rest', async () => {
    const roundAfter = await look();
    expect(await roundAfter(RESTART_AFTER)).toBeUndefined();
    isFullyRunning = false;
    expect(await roundAfter(RESTART_AFTER / 2)).toBeUndefined();
    expect(await roundAfter(RESTART_AFTER / 2)).toBe('done');
    expect(started).toBe(1);
    const [boot] = primary.node.runner.list();
    expect(boot).toMatchObject({ kind: 'boot', reason: 'a part of the app does not run' });
    expect(boot?.steps.map(({ name }) => name)).toEqual(['start-app', 'wait-for-app']);
    expect(await roundAfter(RESTART_AFTER)).toBeUndefined();
  });

  test('it cannot be started: it is tried again ever more seldom, and what answers goes on', async () => {
    const roundAfter = await look();
    const guarded = rounds(createGuard);
    expect(await guarded(RESTART_AFTER)).toBe('done');
    expect(await roundAfter(0)).toBeUndefined();
    primary.app.start = async () => {
      throw new ColdspareError('app-failed', 'no such image', 'build it');
    };
    isFullyRunning = false;
    expect(await roundAfter(RESTART_AFTER)).toBe('rolled-back');
    expect(await roundAfter(RESTART_AFTER)).toBe('rolled-back');
    expect(await roundAfter(RESTART_AFTER)).toBeUndefined();
    expect(await roundAfter(RESTART_AFTER)).toBe('rolled-back');
    expect(await guarded(10 * RESTART_AFTER)).toBeUndefined();
    expect(primary.app.runs).toBe(true);
  });

  test('during a pause it is left alone', async () => {
    const roundAfter = await look();
    isFullyRunning = false;
    const until = new Date(primary.node.clock.now() + 60_000).toISOString();
    await primary.node.state.update({ pause: { until, reason: 'maintenance' } });
    expect(await roundAfter(10 * RESTART_AFTER)).toBeUndefined();
  });
});
