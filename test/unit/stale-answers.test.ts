import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createGuard } from '../../src/background/guard.js';
import { createWitnessWatch } from '../../src/background/witness.js';
import { ColdspareError } from '../../src/domain/errors.js';
import type { NodeStatus } from '../../src/domain/status.js';
import { unrecorded } from '../../src/engine/operation.js';
import { checkLineage } from '../../src/operations/boot/check-lineage.js';
import { resolvePendingYield } from '../../src/operations/boot/resolve-pending-yield.js';
import { checkSender } from '../../src/peer/sender.js';
import { isProven, noteProven } from '../../src/state/baseline.js';
import { nodeStatus } from '../../src/status/node-status.js';
import { createFakeNode, type FakeNode, LINEAGE } from '../support/fake-node.js';
import { planOf } from '../support/plans.js';

let primary: FakeNode;
let standby: FakeNode;
beforeEach(async () => {
  primary = await createFakeNode('primary');
  standby = await createFakeNode('standby');
});
afterEach(async () => {
  await primary.remove();
  await standby.remove();
});

/** The last question to the peer came to nothing; what it answered before is `answer`. */
const isSilent = ({ node }: FakeNode, answer?: NodeStatus): void => {
  const at = node.clock.now();
  node.peerView.answer = answer && { value: answer, at };
  node.peerView.last = { value: { error: 'no answer' }, at };
};

const boot = ({ node }: FakeNode) => checkLineage(node, unrecorded(60_000));

describe('one message to the peer gets lost', () => {
  test('in the boot of a reinstalled primary: it still expects the lineage that the standby has named', async () => {
    const { node } = primary;
    await node.state.update({ lineage: null });
    for (const database of primary.database.databases.values()) database.marker = undefined;
    isSilent(primary, { ...nodeStatus(standby.node), lineage: LINEAGE });
    await expect(boot(primary)).rejects.toMatchObject({ code: 'foreign-lineage' });
    expect(node.state.current.lineage).toBeNull();
  });

  test('in the boot of an old snapshot: it still knows that the standby has newer backups', async () => {
    const { node } = primary;
    const { epoch } = node.state.current;
    const latestBackup = { id: 'ledger_20261130_000000', epoch, sequence: 50 };
    const answer = { ...nodeStatus(standby.node), lineage: LINEAGE, latestBackup };
    isSilent(primary, answer as unknown as NodeStatus);
    await expect(boot(primary)).rejects.toMatchObject({ code: 'yielding' });
  });
});

test('data that was adopted by force is not older than the backups of the data that was given up', async () => {
  const { node } = primary;
  const { epoch } = node.state.current;
  const latestBackup = { id: 'ledger_20261130_000000', epoch, sequence: 50 };
  const answer = { ...nodeStatus(standby.node), lineage: 'given-up', latestBackup };
  node.peerView.answer = { value: answer as unknown as NodeStatus, at: node.clock.now() };
  await boot(primary);
  expect(node.state.current.mode).toBe('primary');
});

test('only the way to the peer is cut: its question is answered at once, without asking it who it is', async () => {
  const { node } = primary;
  let asked = 0;
  node.peer.instance = async () => {
    asked += 1;
    throw new ColdspareError('peer-unreachable', 'no answer', 'none');
  };
  isSilent(primary);
  const question = { instance: 'a-new-one', isReading: true, isBackup: false };
  expect(await checkSender(node, question)).toBe(true);
  expect(asked).toBe(0);
});

test('the disk of a new primary is full before its first check: the guard still stops what may not run', async () => {
  const { node } = primary;
  await node.state.update({ unserved: { detail: 'refuses', takeovers: 1 } });
  const guard = createGuard(node);
  node.state.update = () => Promise.reject(new ColdspareError('disk-full', 'ENOSPC', 'free space'));
  await guard();
  // The peer has taken over meanwhile.
  await node.leadership.noteEpoch(node.state.current.epoch + 1);
  await guard();
  await node.runner.wait(node.runner.current?.id ?? '', 10_000);
  expect(primary.app.runs).toBe(false);
});

test('a fence stops an app that needs its time: nobody is looked for who has started it', async () => {
  const { node } = primary;
  const guard = createGuard(node);
  const { epoch } = node.state.current;
  const promised = { operation: 'promote-1', epoch: epoch + 1, cause: 'fence' as const };
  await node.leadership.handOff({ ...promised, finalBackup: null, writes: null });
  const stopping = planOf([{ name: 'stop-app', run: guard }], { kind: 'fence' });
  const { id } = await node.runner.start(stopping, { source: 'peer' });
  await node.runner.wait(id, 10_000);
  expect(node.local.foreignApp).toBeUndefined();
});

test('the answer about an old promise does not end a new one', async () => {
  const { node } = primary;
  const { epoch } = node.state.current;
  const promise = (operation: string) =>
    node.leadership.handOff({
      ...{ operation, epoch: epoch + 1, cause: 'fence', finalBackup: null, writes: null },
    });
  await promise('promote-1');
  node.peer.operation = async () => {
    await promise('promote-2');
    return undefined;
  };
  await resolvePendingYield(node);
  expect(node.state.current).toMatchObject({
    ...{ mode: 'yielding', yielding: { operation: 'promote-2' } },
  });
  expect(node.runner.current).toBeUndefined();
});

test('a witness that has not seen the service for an hour has no say in the next outage', async () => {
  const { node } = primary;
  node.settings.witnessUrl = 'http://10.0.0.1/';
  await noteProven(node, 'WITNESS_URL', true);
  node.probe.get = async () => ({ outcome: 'silent', detail: 'ETIMEDOUT' });
  const watch = createWitnessWatch(node);
  let now = node.clock.elapsed();
  node.clock.elapsed = () => now;
  await watch();
  now += 59 * 60_000;
  await watch();
  expect(isProven(node, 'WITNESS_URL')).toBe(true);
  // A little more: the clock is no whole number.
  now += 60_001;
  await watch();
  expect(isProven(node, 'WITNESS_URL')).toBe(false);
});
