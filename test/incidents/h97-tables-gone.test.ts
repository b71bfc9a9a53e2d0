import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { setAsideIfDue } from '../../src/replication/dumps/set-aside.js';
import { createFakeNode, type FakeNode, LINEAGE } from '../support/fake-node.js';
import { DUMP, manifestOf } from '../support/http.js';
import { nodeStatus } from '../support/node-status.js';

let vcl2: FakeNode;
beforeEach(async () => {
  vcl2 = await createFakeNode('standby');
});
afterEach(() => vcl2.remove());

/** VCL2 was superseded with `rows` in its database, and VCL3 serves a backup of 2,585 orders. */
const kept = async (rows: Record<string, number>): Promise<string | undefined> => {
  const { node, database } = vcl2;
  const marker = { lineage: LINEAGE, epoch: 1, backup: null, served: true };
  database.databases.set('ledger', { rows, marker });
  const inventory = { rows: { orders: 2_585, coffees: 5 }, sequences: {}, largeObjects: 0 };
  const backup = manifestOf(DUMP, { inventory });
  const promotion = { operation: 'x', epoch: 2, backup: backup.id, at: new Date().toISOString() };
  node.peer.status = async () => ({ ...nodeStatus('vcl3'), promotion });
  node.peer.backup = async () => backup;
  await node.state.update({ standDown: { epoch: 2, finalBackup: null, writes: null } });
  return setAsideIfDue(node, AbortSignal.timeout(60_000));
};

describe('H97: the database of a superseded server is empty', () => {
  test('tables that are gone are counted as gone', async () => {
    expect(await kept({})).toMatch(
      /against ledger_\d+_\d+ it has no table coffees \(5 rows\), no table orders \(2585 rows\)$/,
    );
  });

  test('the same rows are the same number of rows', async () => {
    expect(await kept({ orders: 2_585, coffees: 5 })).toMatch(/the same number of rows as in/);
  });

  test('tables with more or less, and new ones, are named', async () => {
    expect(await kept({ orders: 2_600, coffees: 4, drafts: 0 })).toMatch(
      /it has -1 rows in coffees, \+0 rows in drafts, which the backup does not have, \+15 rows in orders$/,
    );
  });
});
