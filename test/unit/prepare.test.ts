import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createAlarms } from '../../src/background/alarms.js';
import { createIdleDatabaseWatch } from '../../src/background/idle-database.js';
import { pruneBackups } from '../../src/backups/prune.js';
import { ColdspareError } from '../../src/domain/errors.js';
import type { Manifest } from '../../src/domain/manifest.js';
import type { Marker } from '../../src/domain/marker.js';
import { isoNow } from '../../src/ports/clock.js';
import { createPreparation } from '../../src/replication/dumps/prepare.js';
import { DUMP, manifestOf, type Service, startService } from '../support/http.js';

/** Its manifest has rows that it does not hold. */
const BAD = { inventory: { rows: { 'public.entries': 4 }, sequences: {}, largeObjects: 0 } };
const KEEP = 2;

let standby: Service;
let prepare: () => Promise<void>;
let look: () => Promise<void>;
beforeEach(async () => {
  standby = await startService('standby', {
    settings: {
      prepare: 'on-receive',
      retention: { newest: KEEP, daily: 0, weekly: 0 },
      checkInterval: 0,
    },
  });
  await standby.database.stop();
  standby.database.databases.clear();
  prepare = createPreparation(standby.node);
  look = createAlarms(standby.node);
});
afterEach(() => standby.close());

const receive = async (sequence: number, more: Partial<Manifest> = {}): Promise<string> => {
  const id = `ledger_20261122_1200${String(sequence).padStart(2, '0')}`;
  const backup = manifestOf(DUMP, { id, sequence, ...more });
  await standby.ask('PUT', `/backups/${id}`, { client: 'peer', body: DUMP });
  const { status } = await standby.ask('POST', `/backups/${id}/commit`, {
    client: 'peer',
    body: backup,
  });
  expect(status).toBe(201);
  return id;
};

/** The next round of the schedule, to the end of what it starts. Resolves to what became of it. */
const round = async () => {
  await prepare();
  const { runner } = standby.node;
  const record = runner.current && (await runner.wait(runner.current.id, 10_000));
  await look();
  return record;
};

const kept = () => standby.node.backups.list().map(({ id }) => id);
const prepared = () => standby.node.state.current.prepared;
const problems = async (): Promise<string[]> => (await standby.ask('GET', '/health')).body.problems;
const told = () => standby.announced.map(({ event, over }) => `${event}${over ? ' over' : ''}`);
const promote = async (how = { force: true }) => {
  const { body } = await standby.ask('POST', '/promote', {
    client: 'admin',
    headers: { Prefer: 'wait=10' },
    body: how,
  });
  return body;
};

describe('backups come faster than they are restored', () => {
  test('the one that is restored and the last proven one are not evicted by those that nobody has restored', async () => {
    const first = await receive(1);
    expect(await round()).toMatchObject({ state: 'done' });
    for (const sequence of [2, 3, 4, 5]) await receive(sequence, BAD);
    expect(kept()).toHaveLength(KEEP + 1);
    expect(kept()).toContain(first);
  });

  test('BACKUP_KEEP was lowered to make room: that counts from the next start, and spares what lies restored', async () => {
    const first = await receive(1);
    await round();
    const newest = await receive(2);
    const { node } = standby;
    await pruneBackups({
      ...node,
      settings: { ...node.settings, retention: { newest: 1, daily: 0, weekly: 0 } },
    });
    expect(kept()).toEqual([newest, first]);
    await round();
    await pruneBackups({
      ...node,
      settings: { ...node.settings, retention: { newest: 1, daily: 0, weekly: 0 } },
    });
    expect(kept()).toEqual([newest]);
  });

  test('the one that is being restored stays until it is', async () => {
    const first = await receive(1);
    let goOn = () => {};
    const { database } = standby;
    const restore = database.restore.bind(database);
    database.restore = async (...args) => {
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
      return restore(...args);
    };
    const preparing = round();
    await expect.poll(() => standby.node.runner.current?.steps.at(-1)?.name).toBe('restore');
    for (const sequence of [2, 3, 4]) await receive(sequence);
    expect(kept()).toContain(first);
    goOn();
    expect(await preparing).toMatchObject({ state: 'done' });
    expect(prepared()).toBe(first);
    expect(kept()).toContain(first);
  });
});

describe('a backup that cannot be restored', () => {
  test('is an alarm until a newer one could be, and not only until a newer one comes', async () => {
    await receive(1, BAD);
    expect(await round()).toMatchObject({ error: { code: 'backup-unusable' } });
    expect(await problems()).toContain('backup-unusable');
    await receive(2, BAD);
    await look();
    expect(await problems()).toContain('backup-unusable');
    await round();
    await receive(3);
    expect(await round()).toMatchObject({ state: 'done' });
    expect(await problems()).not.toContain('backup-unusable');
    expect(told()).toEqual(['backup-unusable', 'backup-unusable over']);
  });

  test('leaves the one before it to be prepared, which is no all-clear', async () => {
    const older = await receive(1);
    await receive(2, BAD);
    expect(await round()).toMatchObject({ error: { code: 'backup-unusable' } });
    expect(await round()).toMatchObject({ state: 'done' });
    expect(prepared()).toBe(older);
    expect(await round()).toBeUndefined();
    expect(await problems()).toContain('backup-unusable');
  });

  test('is not tried again by a promote that has a proven one, which says so', async () => {
    const older = await receive(1);
    await round();
    const bad = await receive(2, BAD);
    await round();
    const record = await promote();
    expect(record).toMatchObject({
      state: 'done',
      result: { backup: older, rejectedBackups: [{ id: bad }] },
    });
    expect(record.steps.filter(({ name }: { name: string }) => name === 'restore')).toHaveLength(1);
  });

  test('is tried again by a promote that has no other', async () => {
    const only = await receive(1);
    const proof = { at: isoNow(standby.node), took: 0, error: 'the disk was full' };
    await standby.node.state.update({ proofs: { [only]: proof } });
    expect(await promote()).toMatchObject({ state: 'done', result: { backup: only } });
  });
});

describe('the newest backup is one that this server cannot take', () => {
  beforeEach(() => {
    const { database } = standby;
    const restore = database.restore.bind(database);
    database.restore = async (content, manifest, ...more) => {
      if (manifest.sequence < 2) return restore(content, manifest, ...more);
      content.destroy();
      throw new ColdspareError('database-failed', 'extension "postgis" is not available', 'get it');
    };
  });

  test('a takeover fails and says how to go by the one that lies restored; with force it does', async () => {
    const older = await receive(1);
    expect(await round()).toMatchObject({ state: 'done' });
    const newer = await receive(2);
    expect(await round()).toMatchObject({ error: { code: 'database-failed' } });
    expect(await promote({ force: false })).toMatchObject({
      code: 'database-failed',
      remedy: `get it. To use ${older}, which is restored here already, and lose what was written since: POST /promote {"force": true}`,
    });
    expect(await promote()).toMatchObject({
      state: 'done',
      result: {
        backup: older,
        loss: expect.stringContaining('is lost'),
        rejectedBackups: [{ id: newer, reason: expect.stringContaining('postgis') }],
      },
    });
  });

  test('a server that was in trouble only now is no reason to lose anything', async () => {
    await receive(1);
    await round();
    await receive(2);
    expect(await promote()).toMatchObject({ code: 'database-failed' });
  });

  test('with nothing restored, the takeover fails: it is the server that needs mending', async () => {
    await receive(1);
    await receive(2);
    expect(await promote()).toMatchObject({ code: 'database-failed' });
    expect(standby.node.state.current.mode).toBe('standby');
  });
});

test('what a node could not send as a primary of long ago is forgotten when it becomes one again', async () => {
  const at = isoNow(standby.node);
  const { push } = standby.node.state.current;
  await standby.node.state.update({ push: { ...push, failingSince: at, error: 'no link' } });
  await receive(1);
  expect(await promote()).toMatchObject({ state: 'done' });
  expect(await problems()).not.toContain('push-failing');
});

test('a preparation whose app could not be made is tried again, though its backup is proven', async () => {
  let image: Error | undefined = new Error('no such image');
  standby.node.stack.app.create = async () => {
    if (image !== undefined) throw image;
  };
  const backup = await receive(1);
  expect((await round())?.state).not.toBe('done');
  expect(prepared()).toBe(backup);
  expect(told()).toEqual(['prepare-failed']);
  image = undefined;
  expect(await round()).toMatchObject({ state: 'done' });
  expect(told()).toEqual(['prepare-failed', 'prepare-failed over']);
  expect(await round()).toBeUndefined();
});

test('while the primary hands over, its last backup is left to the takeover', async () => {
  await receive(1);
  const { node } = standby;
  const { body: status } = await standby.ask('GET', '/status', { client: 'admin' });
  const operation = { id: 'o', kind: 'handover' };
  node.peerView.last = { value: { ...status, operation }, at: node.clock.now() };
  expect(await round()).toBeUndefined();
  node.peerView.last = { value: { ...status, operation: null }, at: node.clock.now() };
  expect(await round()).toMatchObject({ state: 'done' });
});

describe('"docker compose down -v" on a standby that was prepared', () => {
  let backup: string;
  const down = () => {
    const { databases } = standby.database;
    databases.clear();
    // As an image makes it at its first start.
    databases.set('ledger', { rows: {}, marker: undefined });
  };
  beforeEach(async () => {
    backup = await receive(1);
    expect(await round()).toMatchObject({ state: 'done' });
    expect(prepared()).toBe(backup);
    down();
  });

  test('a takeover restores the backup, and serves its rows', async () => {
    const { restore } = standby.database;
    let restores = 0;
    standby.database.restore = (...args) => {
      restores += 1;
      return restore.apply(standby.database, args);
    };
    expect(await promote({ force: false })).toMatchObject({ state: 'done', result: { backup } });
    expect(restores).toBe(1);
    expect(standby.database.databases.get('ledger')).toMatchObject({
      rows: { 'public.entries': 3 },
      marker: { backup },
    });
  });

  test('a drill notices, and the backup is prepared again', async () => {
    const { body } = await standby.ask('POST', '/drill', {
      client: 'admin',
      headers: { Prefer: 'wait=10' },
    });
    expect(body).toMatchObject({ state: 'done' });
    expect(prepared()).toBe(null);
    expect(await round()).toMatchObject({ kind: 'prepare', state: 'done' });
    expect(prepared()).toBe(backup);
  });

  test('so does the agent when somebody has started the database', async () => {
    await standby.database.start();
    const { node } = standby;
    node.local.database = { value: { answers: true, marker: undefined }, at: node.clock.now() };
    await createIdleDatabaseWatch(node)();
    expect(prepared()).toBe(null);
    expect(await round()).toMatchObject({ kind: 'prepare', state: 'done' });
    expect(standby.database.databases.get('ledger')?.marker).toMatchObject({ backup });
  });
});

describe('what lies under DB_NAME', () => {
  const lay = (marker: Marker | undefined) => {
    standby.database.databases.set('ledger', {
      rows: { 'public.entries': 9 },
      marker,
    });
  };
  const keptAs = async () => {
    await receive(1);
    expect(await round()).toMatchObject({ state: 'done' });
    return [...standby.database.databases.keys()].filter((name) => name !== 'ledger');
  };
  const marker = { lineage: manifestOf(DUMP).lineage, epoch: 2, backup: null, served: true };

  test.each([
    ['without a lineage', undefined],
    ['of another lineage', { ...marker, lineage: 'somebody-else' }],
    [
      'that was served at an epoch of which this node has no memory',
      { ...marker, epoch: manifestOf(DUMP).epoch },
    ],
  ])('a database %s is kept until a person drops it, and people are told', async (_, found) => {
    lay(found);
    expect(await keptAs()).toEqual([expect.stringMatching(/^ledger_diverged_\d{8}_\d{6}$/)]);
    expect(told()).toEqual(['database-kept']);
  });

  test.each([
    ['the first primary', 'odd', 3],
    ['the first standby', 'even', 2],
  ] as const)(
    'the state of %s is older than what it served: nothing is restored over it (H36)',
    async (_, parity, epoch) => {
      await receive(1);
      Object.assign(standby.node.state.current, { parity });
      lay({ ...marker, epoch });
      expect(await round()).toMatchObject({ state: 'rolled-back', error: { code: 'yielding' } });
      expect([...standby.database.databases.keys()]).toEqual(['ledger']);
      expect(standby.node.state.current.mode).toBe('yielding');
    },
  );

  test('what this node has restored itself makes room', async () => {
    lay({ ...marker, served: false });
    expect(await keptAs()).toEqual([expect.stringMatching(/^ledger_before_/)]);
    expect(told()).toEqual([]);
  });
});
