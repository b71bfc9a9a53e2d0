import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { OperationKind } from '../../src/domain/operation.js';
import type { NodeStatus } from '../../src/domain/status.js';
import { dryRunDemote, dryRunPromote } from '../../src/operations/dry-run.js';
import type { Node } from '../../src/operations/node.js';
import { nodeStatus } from '../../src/status/node-status.js';
import { createFakeNode, type FakeNode, LINEAGE } from '../support/fake-node.js';
import { planOf } from '../support/plans.js';

const HOUR = 3_600_000;

let primary: FakeNode;
let standby: FakeNode;
beforeEach(async () => {
  primary = await createFakeNode('primary');
  standby = await createFakeNode('standby', { settings: { backupMaxAge: 2 * HOUR } });
});
afterEach(async () => {
  await primary.remove();
  await standby.remove();
});

/** A backup on the standby's disk that was taken this long ago. */
const receive = async (age: number): Promise<string> => {
  const { backups } = standby.node;
  const id = 'ledger_20261122_193000';
  const received = await backups.receive(id, Readable.from(['{}']), undefined);
  await backups.commit({
    ...{ id, database: 'ledger', node: 'vcl2', lineage: LINEAGE, epoch: 1, sequence: 1 },
    ...{ format: 'custom', serverVersion: '15.8' },
    takenAt: new Date(Date.now() - age).toISOString(),
    inventory: { rows: {}, sequences: {}, largeObjects: 0 },
    ...received,
  });
  return id;
};

const promote = (node: Node, command: { force?: boolean; planned?: boolean } = {}) =>
  dryRunPromote(
    node,
    { force: false, planned: false, dryRun: true, reason: '', ...command },
    nodeStatus(node),
  );
const demote = (node: Node) => dryRunDemote(node, { dryRun: true, reason: '' });

const answers = (node: Node, peer: Node, more: Partial<NodeStatus> = {}) => {
  node.peer.status = async () => ({ ...nodeStatus(peer), ...more });
};

/** An operation that goes on until the test ends. */
const keepBusy = ({ runner }: Node, kind: OperationKind, isPreemptible: boolean) =>
  runner.start(
    planOf(
      [
        {
          name: 'wait',
          run: ({ signal }) =>
            new Promise((_resolve, reject) => {
              signal.addEventListener('abort', () => reject(signal.reason));
            }),
        },
      ],
      { kind, isPreemptible: () => isPreemptible },
    ),
    { source: 'operator' },
  );

describe('a promote', () => {
  test('without any backup says so', async () => {
    expect(await promote(standby.node)).toMatchObject({
      ...{ wouldRun: false, refusal: { code: 'no-backup' }, backup: null, loss: null },
    });
  });

  test('from one that is too old is refused, and says what force would start from', async () => {
    const backup = await receive(3 * HOUR);
    const seen = await promote(standby.node);
    expect(seen).toMatchObject({ wouldRun: false, refusal: { code: 'backup-too-old' }, backup });
    expect(seen.backupAgeSeconds).toBeGreaterThanOrEqual(10_800);
    const forced = await promote(standby.node, { force: true });
    expect(forced).toMatchObject({ wouldRun: true, refusal: null, backup });
    expect(forced.loss).toMatch(/is lost$/);
  });

  test('from one that lies restored says that, too', async () => {
    const backup = await receive(0);
    expect(await promote(standby.node)).toMatchObject({ backup, prepared: false });
    await standby.node.state.update({ prepared: backup });
    expect(await promote(standby.node)).toMatchObject({ backup, prepared: true });
  });

  test('from one that could not be restored is refused with the reason, and force would try', async () => {
    const backup = await receive(0);
    const { state } = standby.node;
    const at = '2026-11-22T19:31:00.000Z';
    await state.update({ proofs: { [backup]: { at, took: 0, error: 'no such type: cube' } } });
    expect(await promote(standby.node)).toMatchObject({
      wouldRun: false,
      refusal: { code: 'backup-unusable', message: expect.stringContaining('no such type: cube') },
    });
    expect(await promote(standby.node, { force: true })).toMatchObject({ wouldRun: true, backup });
  });

  test('during a pause is refused, unless forced', async () => {
    await receive(0);
    await standby.node.state.update({ pause: { until: '2999-01-01T00:00:00.000Z', reason: '' } });
    expect(await promote(standby.node)).toMatchObject({ refusal: { code: 'paused' } });
    expect(await promote(standby.node, { force: true })).toMatchObject({ wouldRun: true });
  });

  test('beside an operation that cannot make way is refused; beside one that can, it is not', async () => {
    await receive(0);
    const { id } = await keepBusy(standby.node, 'prepare', true);
    expect(await promote(standby.node)).toMatchObject({ wouldRun: true });
    await standby.node.runner.cancel(id, 'asked to');
    await keepBusy(standby.node, 'adopt', false);
    expect(await promote(standby.node)).toMatchObject({ refusal: { code: 'busy' } });
  });

  test('of a node that has promised not to serve: only by force, and then with what it holds', async () => {
    const yielding = { operation: 'x_promote_y', epoch: 2, finalBackup: null, writes: null };
    await primary.node.state.apply('yield', 1, { yielding: { ...yielding, cause: 'fence' } });
    expect(await promote(primary.node)).toMatchObject({ refusal: { code: 'yielding' } });
    const forced = await promote(primary.node, { force: true });
    expect(forced).toMatchObject({ wouldRun: true, backup: null });
    expect(forced.steps[0]).toBe('withdraw');
    expect(forced.loss).toMatch(/^nothing is lost/);
  });
});

describe('a handover', () => {
  test('to a peer that cannot take it is refused with the reason, from either side', async () => {
    expect(await demote(primary.node)).toMatchObject({ refusal: { code: 'peer-not-ready' } });
    expect(await promote(standby.node, { planned: true })).toMatchObject({
      ...{ wouldRun: false, refusal: { code: 'peer-unreachable' } },
    });
    answers(primary.node, standby.node, { lineage: 'of-somebody-else' });
    expect(await demote(primary.node)).toMatchObject({
      refusal: { code: 'peer-not-ready', message: expect.stringContaining('another database') },
    });
    answers(standby.node, standby.node);
    expect(await promote(standby.node, { planned: true })).toMatchObject({
      refusal: { code: 'peer-refused' },
    });
  });

  test('between two that are well would run, and loses nothing', async () => {
    answers(primary.node, standby.node);
    answers(standby.node, primary.node);
    const demoted = await demote(primary.node);
    expect(demoted).toMatchObject({ wouldRun: true, refusal: null });
    const planned = await promote(standby.node, { planned: true });
    expect(planned).toEqual({ ...demoted, peer: planned.peer });
  });
});
