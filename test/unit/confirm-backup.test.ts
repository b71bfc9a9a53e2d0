import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { backUpIfPrimary } from '../../src/background/backups.js';
import { ageOf } from '../../src/backups/catalog.js';
import { confirmBackup } from '../../src/backups/receive.js';
import { ColdspareError } from '../../src/domain/errors.js';
import { request } from '../../src/operations/commands.js';
import { markBackupCurrent } from '../../src/replication/dumps/mark-backup-current.js';
import { planPush } from '../../src/replication/dumps/push.js';
import { createFakeNode, type FakeNode, takesBackups } from '../support/fake-node.js';

const HOUR = 3_600_000;

let primary: FakeNode;
let told: string[];
let now: number;
beforeEach(async () => {
  primary = await createFakeNode('primary');
  told = [];
  now = Date.now();
  const { node } = primary;
  node.clock.now = () => now;
  takesBackups(node.peer);
  node.peer.confirm = async (id) => {
    told.push(id);
  };
});
afterEach(() => primary.remove());

const backUp = async (): Promise<string> => {
  const { runner } = primary.node;
  const { id } = await request(primary.node, 'backup', { reason: '' }, { source: 'operator' });
  const record = await runner.wait(id, 10_000);
  return String(record?.result?.backup);
};
/** A customer does. */
const write = (more: number) => {
  const { databases } = primary.database;
  databases.set('ledger', { rows: { more }, marker: databases.get('ledger')?.marker });
};
const age = () => {
  const [newest] = primary.node.backups.list();
  return newest && ageOf(primary.node, newest);
};

test('a backup that holds everything is as young as the last look at it', async () => {
  const id = await backUp();
  now += HOUR;
  expect(age()).toBe(HOUR);
  expect(await markBackupCurrent(primary.node)).toBe(id);
  expect(told).toEqual([id]);
  expect(age()).toBe(0);
  now += 5;
  expect(age()).toBe(5);
});

describe('a new backup is due when', () => {
  const isDue = async () => {
    now += HOUR;
    expect(await markBackupCurrent(primary.node)).toBeUndefined();
    expect(age() ?? HOUR).toBe(HOUR);
  };

  test('there is none', isDue);

  test('something was written', async () => {
    await backUp();
    primary.database.databases.set('ledger', { rows: { more: 1 }, marker: undefined });
    await isDue();
    expect(told).toEqual([]);
  });

  test("the newest is the other node's, of the epoch before", async () => {
    await backUp();
    primary.node.settings.nodeName = 'vcl3';
    await isDue();
  });

  test('the database cannot be asked', async () => {
    await backUp();
    primary.database.isUp = false;
    await isDue();
  });

  test('the other node does not take the word for it', async () => {
    await backUp();
    primary.node.peer.confirm = async () => {
      throw new ColdspareError('peer-refused', 'it has no such backup', 'none');
    };
    await isDue();
  });
});

test('while the other node is away, an unchanged database is not dumped over and over', async () => {
  const id = await backUp();
  const { node } = primary;
  const confirm = node.peer.confirm;
  let asked = 0;
  node.peer.confirm = async () => {
    asked += 1;
    throw new ColdspareError('peer-unreachable', 'no answer', 'none');
  };
  node.clock.sleep = async () => {};
  now += HOUR;
  expect(await markBackupCurrent(node)).toBe(id);
  expect(age()).toBe(HOUR);
  expect(asked).toBe(4);
  expect(node.state.current.push).toMatchObject({ error: 'no answer' });
  expect(node.state.current.push.failingSince).not.toBeNull();

  node.peer.confirm = confirm;
  expect(await markBackupCurrent(node)).toBe(id);
  expect(age()).toBe(0);
  expect(node.state.current.push.failingSince).toBeNull();
});

test('while the other node is away, no more dumps are kept than BACKUP_KEEP', async () => {
  const { node } = primary;
  node.peer.commit = async () => {
    throw new ColdspareError('peer-refused', 'its disk is full', 'none');
  };
  for (let more = 0; more < node.settings.retention.newest + 2; more += 1) {
    write(more);
    await backUp();
  }
  expect(node.backups.list()).toHaveLength(node.settings.retention.newest);
});

test('a tick lets a dump go on that is being sent again', async () => {
  await backUp();
  const { node } = primary;
  let arrive = () => {};
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  node.peer.upload = async (_id, content) => {
    content.resume();
    await arrived;
    return { bytes: 0, sha256: '' };
  };
  node.peer.received = async () => 0;
  const [newest] = node.backups.list();
  if (newest === undefined) throw new Error('there is no backup');
  const { id } = await node.runner.start(planPush(node, newest), { source: 'schedule' });
  write(1);
  await backUpIfPrimary(node);
  expect(node.runner.current?.id).toBe(id);
  arrive();
  expect(await node.runner.wait(id, 10_000)).toMatchObject({ state: 'done' });
});

test('a standby takes no word for a backup that it could not restore', async () => {
  const standby = await createFakeNode('standby');
  const { node } = standby;
  const id = await backUp();
  const manifest = primary.node.backups.get(id);
  await node.backups.receive(id, await primary.node.backups.content(id), {});
  await node.backups.commit(manifest);
  const at = new Date(now).toISOString();
  await node.state.update({ proofs: { [id]: { at, took: 0, error: 'no such extension' } } });
  await expect(confirmBackup(node, id, at)).rejects.toMatchObject({
    code: 'backup-unusable',
    message: expect.stringContaining('no such extension'),
  });
  await standby.remove();
});

test("a primary's clock is ahead: its word makes no backup younger than it is", async () => {
  const standby = await createFakeNode('standby');
  const { node } = standby;
  const id = await backUp();
  await node.backups.receive(id, await primary.node.backups.content(id), {});
  await node.backups.commit(primary.node.backups.get(id));
  const before = Date.now();
  await confirmBackup(node, id, '2099-01-01T00:00:00Z');
  const { confirmed } = node.state.current;
  expect(Date.parse(confirmed?.at ?? '')).toBeGreaterThanOrEqual(before);
  expect(Date.parse(confirmed?.at ?? '')).toBeLessThanOrEqual(Date.now());
  await standby.remove();
});

test('a standby takes no word for a backup that it does not have', async () => {
  const standby = await createFakeNode('standby');
  const at = new Date(now).toISOString();
  await expect(confirmBackup(standby.node, 'ledger_20261122_120000', at)).rejects.toMatchObject({
    code: 'backup-not-found',
  });
  expect(standby.node.state.current.confirmed).toBeNull();
  await standby.remove();
});
