import { afterEach, beforeEach, expect, test } from 'vitest';
import { createAlarms } from '../../src/background/alarms.js';
import { drillIfStandby } from '../../src/background/drills.js';
import { foreseeTakeOver } from '../../src/domain/drill.js';
import { ColdspareError } from '../../src/domain/errors.js';
import { createFileDisk } from '../../src/drivers/file-disk.js';
import { planPrepare } from '../../src/replication/dumps/prepare.js';
import { NodeState } from '../../src/state/node-state.js';
import { DUMP, manifestOf, type Service, startService } from '../support/http.js';

const BACKUP = manifestOf(DUMP, { databaseBytes: 8_000_000 });

let standby: Service;
let lookForIncidents: () => Promise<void>;
beforeEach(async () => {
  standby = await startService('standby', { settings: { drillQuery: 'SELECT true' } });
  await standby.database.stop();
  lookForIncidents = createAlarms(standby.node);
});
afterEach(() => standby.close());

const receive = async () => {
  await standby.ask('PUT', `/backups/${BACKUP.id}`, { client: 'peer', body: DUMP });
  await standby.ask('POST', `/backups/${BACKUP.id}/commit`, { client: 'peer', body: BACKUP });
};
const drill = async () => {
  const answer = await standby.ask('POST', '/drill', {
    client: 'admin',
    headers: { Prefer: 'wait=10' },
  });
  await lookForIncidents();
  return answer;
};
const problems = async () => (await standby.ask('GET', '/health')).body.problems;
const announced = () =>
  standby.announced.map(({ event, over }) => `${event}${over ? ' over' : ''}`);
const isTidy = async () => {
  expect(standby.database.isUp).toBe(false);
  expect(await standby.database.others()).toEqual([]);
  expect(standby.node.state.current.drillLeftovers).toBe(false);
};

test('without a backup there is nothing to restore on trial, and that is no failed drill', async () => {
  expect((await drill()).body).toMatchObject({ code: 'no-backup', status: 409 });
  expect(standby.node.state.current.lastDrill).toBeNull();
});

test('a drill finds that a backup cannot be restored: it does not count as current any more', async () => {
  await receive();
  const { restore } = standby.database;
  standby.database.restore = async () => {
    throw new ColdspareError('backup-unusable', 'its file has rotted', 'take a new one');
  };
  expect((await drill()).body).toMatchObject({ code: 'backup-unusable' });
  const confirm = () =>
    standby.ask('POST', `/backups/${BACKUP.id}/confirm`, {
      client: 'peer',
      body: { at: new Date().toISOString() },
    });
  expect((await confirm()).body).toMatchObject({ code: 'backup-unusable' });
  standby.database.restore = restore;
});

test('a promise to the other node comes first', async () => {
  await receive();
  await standby.node.state.apply('promoted', 2);
  const yielding = {
    operation: 'o',
    epoch: 3,
    cause: 'fence' as const,
    finalBackup: null,
    writes: null,
  };
  await standby.node.state.apply('yield', 2, { yielding });
  expect((await drill()).body).toMatchObject({ code: 'yielding' });
});

test.each([
  [false, 'DRILL_QUERY gave false instead of true'],
  [null, 'DRILL_QUERY gave null instead of true'],
  ['t', 'DRILL_QUERY gave "t" instead of true'],
  [1, 'DRILL_QUERY gave 1 instead of true'],
])('a query that gives %j fails the drill, which is announced once', async (truth, detail) => {
  await receive();
  standby.database.truth = truth;
  const { status, body } = await drill();
  expect(status).toBe(422);
  expect(body).toMatchObject({ code: 'drill-failed', detail: expect.stringContaining(detail) });
  await drill();
  expect(announced()).toEqual(['drill-failed']);
  expect(await problems()).toContain('drill-failed');
  await isTidy();

  standby.database.truth = true;
  expect((await drill()).body).toMatchObject({ state: 'done', result: { passed: true } });
  expect(await problems()).not.toContain('drill-failed');
  expect(announced()).toEqual(['drill-failed', 'drill-failed over']);
  await isTidy();
});

test('a full disk is not filled further by a drill: it is refused, people are told once, and it has not failed', async () => {
  await receive();
  standby.database.free = 9_000_000;
  expect((await drill()).body).toMatchObject({ code: 'no-room', status: 507 });
  await drill();
  expect(announced()).toEqual(['no-room']);
  expect(await problems()).toContain('no-room');
  expect(standby.node.state.current.lastDrill).toBeNull();
  await isTidy();

  standby.database.free = 10_000_000;
  expect((await drill()).body).toMatchObject({ state: 'done' });
  expect(announced()).toEqual(['no-room', 'no-room over']);
  expect(await problems()).not.toContain('no-room');
});

test('nor by a preparation, which is done once there is room', async () => {
  await receive();
  const prepare = async () => {
    const { id } = await standby.node.runner.start(planPrepare(standby.node, BACKUP), {
      source: 'schedule',
    });
    return standby.node.runner.wait(id, 10_000);
  };
  standby.database.free = 9_000_000;
  expect(await prepare()).toMatchObject({ state: 'refused', error: { code: 'no-room' } });
  expect(await problems()).toContain('no-room');
  expect(standby.database.isUp).toBe(false);
  expect(standby.node.state.current.proofs).toEqual({});

  standby.database.free = 10_000_000;
  expect(await prepare()).toMatchObject({ state: 'done' });
  standby.database.free = 0;
  // Restored already: it takes no room.
  expect(await prepare()).toMatchObject({ state: 'done' });
  expect(await problems()).not.toContain('no-room');
});

test('the cron drills on a standby only', async () => {
  await receive();
  await drillIfStandby(standby.node);
  await standby.node.runner.wait(standby.node.runner.current?.id ?? '', 10_000);
  expect(standby.node.state.current.lastDrill).toMatchObject({ passed: true });

  const primary = await startService('primary');
  try {
    await drillIfStandby(primary.node);
    expect(primary.node.runner.list()).toEqual([]);
  } finally {
    await primary.close();
  }
});

test('the clock was set back while the app was started: a drill foresees no negative time, and the agent starts again', async () => {
  await receive();
  const step = (name: string, startedAt: string, endedAt: string) =>
    ({ name, state: 'done', startedAt, endedAt, detail: null }) as const;
  const began = '2026-11-22T12:00:00.000Z';
  const isBack = '2026-11-22T11:00:01.000Z';
  await standby.node.runner.close(
    {
      ...{ id: '20261122_120000_promote_1', kind: 'promote', source: 'operator', reason: '' },
      ...{ epoch: 1, startedAt: began, command: {}, attempt: 1, result: null },
      ...{ state: 'running', committed: true, endedAt: null, error: null },
      steps: [step('start-app', began, began), step('wait-for-app', began, isBack)],
    },
    { state: 'done', committed: true, error: null },
  );
  const { body } = await drill();
  expect(body.steps.at(-1).detail).toContain('none of its starts was measured here');
  const again = NodeState.open(createFileDisk(), standby.directory, 'standby', Date.now);
  expect((await again).current.lastDrill).toEqual(body.result);
});

const DEFAULTS = {
  ...({ monitor: 'on', checkInterval: 5_000, checkTimeout: 3_000, failThreshold: 3 } as const),
  ...{ confirmChecks: 3, confirmInterval: 2_000 },
};
const SECONDS = { start: 0.4, restore: 30, verify: 2, query: 1, total: 34 };

test.each([
  ['lies prepared', { isPrepared: true }, 18 + 1 + 0.4 + 1.1],
  ['has to be restored', { isPrepared: false }, 18 + 3 + 32.4 + 1.1],
  ['lies prepared, and the app was never started', { isPrepared: true, appStart: undefined }, 19.4],
  [
    'lies prepared, and a check takes longer than CHECK_INTERVAL',
    { isPrepared: true, settings: { ...DEFAULTS, checkInterval: 1_000 } },
    1 + 3 * 3 + 1 + 0.4 + 1.1,
  ],
  [
    'lies prepared, and the time-out is a short one',
    { isPrepared: true, settings: { ...DEFAULTS, checkInterval: 1_000, checkTimeout: 500 } },
    3.5 + 0.5 + 0.4 + 1.1,
  ],
  [
    'lies prepared, and somebody else has to notice',
    { isPrepared: true, settings: { ...DEFAULTS, monitor: 'off' as const } },
    13 + 1 + 0.4 + 1.1,
  ],
])('how long a takeover takes, at most, when the backup %s', (_what, more, expected) => {
  const { total } = foreseeTakeOver({
    ...{ settings: DEFAULTS, seconds: SECONDS, appStart: 1.1 },
    ...more,
  });
  expect(total).toBe(Number(expected.toFixed(3)));
});
