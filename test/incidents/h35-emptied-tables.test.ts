import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { commitBackup, receiveBackup } from '../../src/backups/receive.js';
import { releaseBackup } from '../../src/backups/shrinkage.js';
import { nodeFindings } from '../../src/domain/conditions/findings.js';
import { request } from '../../src/operations/commands.js';
import { NodeState } from '../../src/state/node-state.js';
import { nodeStatus } from '../../src/status/node-status.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';

/** Only the newest is kept. */
const retention = { newest: 1, daily: 0, weekly: 0 };
const ORDERS = { 'public.orders': 2_585, 'public.coffees': 5 };

let primary: FakeNode;
let standby: FakeNode;
beforeEach(async () => {
  primary = await createFakeNode('primary', { settings: { retention } });
  standby = await createFakeNode('standby', { settings: { retention } });
  const { peer } = primary.node;
  peer.upload = (id, content) => receiveBackup(standby.node, id, content, {});
  peer.commit = (manifest) => commitBackup(standby.node, manifest);
});
afterEach(() => Promise.all([primary.remove(), standby.remove()]));

const backUp = async (rows: Record<string, number>): Promise<string> => {
  const { node, database } = primary;
  database.databases.set('ledger', { rows, marker: database.databases.get('ledger')?.marker });
  const { id } = await request(node, 'backup', { reason: '' }, { source: 'operator' });
  const record = await node.runner.wait(id, 60_000);
  expect(record).toMatchObject({ state: 'done' });
  return String(record?.result?.backup);
};
const nodes = () => [primary.node, standby.node];
const kept = (node: FakeNode['node']) => node.backups.list().map(({ id }) => id);

describe('H35: somebody empties the tables, and the backups go on', () => {
  test.each([
    ['DROP SCHEMA public CASCADE', {}],
    ['DELETE without WHERE', { ...ORDERS, 'public.orders': 0 }],
    ['migrate:fresh, and a seed', { 'public.orders': 3, 'public.coffees': 5 }],
  ])('after %s both nodes say so, and keep the last backup with the rows', async (_, rows) => {
    const good = await backUp(ORDERS);
    const shrunk = await backUp(rows);
    for (let tick = 0; tick < 3; tick += 1) await backUp({ ...rows, 'public.ticks': tick });
    for (const node of nodes()) {
      expect(nodeStatus(node)).toMatchObject({
        problems: expect.not.arrayContaining(['backup-shrank']),
        shrunk: [{ before: good, after: shrunk, text: expect.stringContaining('2585 rows') }],
      });
      expect(kept(node)).toHaveLength(2);
      expect(kept(node)).toContain(good);
    }

    // Somebody has looked.
    for (const node of nodes()) {
      await releaseBackup(node, good);
      expect(nodeStatus(node).shrunk).toEqual([]);
    }
    // The answer to the commit was lost, and it comes again.
    for (const manifest of primary.node.backups.list().slice(0, 1))
      await commitBackup(standby.node, manifest);
    expect(nodeStatus(standby.node).shrunk).toEqual([]);
    const last = await backUp({ ...rows, 'public.ticks': 99 });
    for (const node of nodes()) expect(kept(node)).toEqual([last]);
  });

  test('it stays when rows come back before anybody has looked, and after a restart', async () => {
    const good = await backUp(ORDERS);
    await backUp({ ...ORDERS, 'public.orders': 0 });
    await backUp({ ...ORDERS, 'public.orders': 2_000 });
    for (const { directory, node } of [primary, standby]) {
      expect(kept(node)).toContain(good);
      const state = await NodeState.open(node.disk, directory, 'standby', Date.now);
      expect(state.current.shrunk).toMatchObject([{ before: good }]);
    }
  });

  test('a standby that was away notices it in the next backup that it gets', async () => {
    const good = await backUp(ORDERS);
    const { commit } = primary.node.peer;
    primary.node.peer.commit = async () => {};
    await backUp({});
    primary.node.peer.commit = commit;
    await backUp({ 'public.ticks': 1 });
    expect(kept(standby.node)).toContain(good);
    expect(nodeFindings(nodeStatus(standby.node))).toContainEqual(
      expect.objectContaining({ what: expect.stringContaining('backup-shrank') }),
    );
  });

  test('an id that stands for nothing is refused', async () => {
    await expect(releaseBackup(primary.node, 'ledger_20200101_000000')).rejects.toMatchObject({
      code: 'backup-not-found',
    });
  });
});
