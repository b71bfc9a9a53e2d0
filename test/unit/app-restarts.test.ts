import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createDatabaseWatch, createGuard, createPartsWatch } from '../../src/background/guard.js';
import { ColdspareError } from '../../src/domain/errors.js';
import type { Node } from '../../src/operations/node.js';
import { waitForApp } from '../../src/serve/app.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';
import { roundsOf } from '../support/rounds.js';

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
  const round = roundsOf(primary.node, create);
  return async (ms: number) => (await round(ms))?.state;
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

describe('the app exits', () => {
  /** An app that has served for a while, as this agent has seen. */
  const served = async () => {
    const roundAfter = rounds(createGuard);
    expect(await roundAfter(0)).toBeUndefined();
    expect(await roundAfter(RESTART_AFTER)).toBe('done');
    expect(await roundAfter(RESTART_AFTER)).toBeUndefined();
    return roundAfter;
  };
  test('it is started again in the same round', async () => {
    const roundAfter = await served();
    primary.app.runs = false;
    expect(await roundAfter(0)).toBe('done');
    expect(primary.node.runner.list()[0]).toMatchObject({ reason: 'the app has exited' });
    expect(primary.app.runs).toBe(true);
  });

  test('it cannot be started: it is tried again after the delays, which grow', async () => {
    const roundAfter = await served();
    primary.app.start = async () => {
      throw new ColdspareError('app-failed', 'no such image', 'build it');
    };
    primary.app.runs = false;
    expect(await roundAfter(0)).toBe('rolled-back');
    expect(await roundAfter(RESTART_AFTER - 200)).toBeUndefined();
    expect(await roundAfter(200)).toBe('rolled-back');
    expect(await roundAfter(RESTART_AFTER)).toBe('rolled-back');
    expect(await roundAfter(RESTART_AFTER)).toBeUndefined();
    expect(await roundAfter(RESTART_AFTER)).toBe('rolled-back');
  });

  test('it exits again before it has served for a while: it waits as long as another that is down', async () => {
    const roundAfter = await served();
    primary.app.runs = false;
    expect(await roundAfter(0)).toBe('done');
    for (const served of [0, RESTART_AFTER / 2]) {
      expect(await roundAfter(served)).toBeUndefined();
      primary.app.runs = false;
      expect(await roundAfter(0)).toBeUndefined();
      expect(await roundAfter(RESTART_AFTER)).toBe('done');
      expect(primary.node.runner.list()[0]).toMatchObject({ reason: 'the app does not answer' });
    }
    expect(await roundAfter(RESTART_AFTER)).toBeUndefined();
    primary.app.runs = false;
    expect(await roundAfter(0)).toBe('done');
  });

  test('it exits while its start is waited for: nobody waits any longer, as the other node would take over', async () => {
    const { app, node } = primary;
    let elapsed = 0;
    node.clock.elapsed = () => elapsed;
    node.clock.sleep = async (ms) => {
      elapsed += ms;
    };
    node.settings.appStartTimeout = 120_000;
    app.isFullyRunning = async () => app.runs;
    app.runs = false;
    await expect(waitForApp(node, new AbortController().signal)).rejects.toMatchObject({
      code: 'app-failed',
      message: 'the app was started and has exited',
    });
    expect(elapsed).toBeLessThan(3_000);

    // Of a service that only does not listen yet, nobody can tell.
    delete app.isFullyRunning;
    await expect(waitForApp(node, new AbortController().signal)).rejects.toMatchObject({
      message: expect.stringContaining('does not answer'),
    });
  });

  test('one of its services does, and the others run without use', async () => {
    const roundAfter = await served();
    const { app } = primary;
    const check = app.check.bind(app);
    const start = app.start.bind(app);
    let isWebUp = false;
    app.isFullyRunning = async () => isWebUp;
    app.check = async () => (isWebUp ? check() : { outcome: 'refuses', detail: 'nobody' });
    app.start = async () => {
      isWebUp = true;
      return start();
    };
    expect(await roundAfter(0)).toBe('done');
  });

  test.each<[string, () => void]>([
    [
      'it hangs',
      () => {
        primary.app.check = async () => ({ outcome: 'hangs', detail: 'no answer' });
      },
    ],
    [
      'it answers 500',
      () => {
        primary.app.check = async () => ({ outcome: 'answers', status: 500 });
      },
    ],
    [
      'nobody can ask whether it runs',
      () => {
        primary.app.runs = false;
        primary.app.isRunning = async () => {
          throw new ColdspareError('app-failed', 'the engine does not answer', 'start it');
        };
      },
    ],
    [
      'its database is down as well, as after "docker compose down"',
      () => {
        primary.app.runs = false;
        primary.database.isUp = false;
      },
    ],
  ])('%s: it is not started at once', async (_, befall) => {
    const roundAfter = await served();
    befall();
    expect(await roundAfter(0)).toBeUndefined();
    expect(await roundAfter(RESTART_AFTER - 200)).toBeUndefined();
    expect(await roundAfter(200)).toBeDefined();
  });

  test('during a pause it is left alone, and started at once when the pause ends', async () => {
    const roundAfter = await served();
    const until = new Date(primary.node.clock.now() + 60_000).toISOString();
    await primary.node.state.update({ pause: { until, reason: 'maintenance' } });
    primary.app.runs = false;
    expect(await roundAfter(10 * RESTART_AFTER)).toBeUndefined();
    await primary.node.state.update({ pause: null });
    expect(await roundAfter(0)).toBe('done');
  });

  test('while somebody looks, the other node takes over: it stays down', async () => {
    const roundAfter = await served();
    const { app, node } = primary;
    app.runs = false;
    app.isRunning = async () => {
      await node.state.apply('superseded', 2);
      return false;
    };
    expect(await roundAfter(0)).toBeUndefined();
  });
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
