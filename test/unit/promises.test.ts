import { afterEach, describe, expect, test } from 'vitest';
import { createGuard } from '../../src/background/guard.js';
import { ColdspareError } from '../../src/domain/errors.js';
import type { OperationRecord } from '../../src/domain/operation.js';
import { planBoot } from '../../src/operations/boot/boot.js';
import { resolvePendingYield } from '../../src/operations/boot/resolve-pending-yield.js';
import { request } from '../../src/operations/commands.js';
import { planInterruptedHandover } from '../../src/operations/handover/handover.js';
import type { Node } from '../../src/operations/node.js';
import { noteEpoch } from '../../src/operations/note-epoch.js';
import { cancelOperation, requestFence, requestTakeOver } from '../../src/operations/requests.js';
import { planPrepare } from '../../src/replication/dumps/prepare.js';
import { isServing } from '../../src/serve/serving.js';
import { nodeStatus } from '../../src/status/node-status.js';
import { createFakeNode, type FakeNode, takesBackups } from '../support/fake-node.js';
import { held } from '../support/held.js';
import { receive } from '../support/received.js';

const nodes: FakeNode[] = [];
const create = async (...asked: Parameters<typeof createFakeNode>): Promise<FakeNode> => {
  const fake = await createFakeNode(...asked);
  nodes.push(fake);
  return fake;
};
afterEach(async () => {
  for (const fake of nodes.splice(0)) await fake.remove();
});

const gone = () => new ColdspareError('peer-unreachable', 'no answer', 'none');

/** As the other node keeps it. */
const recordOf = (id: string, more: Partial<OperationRecord> = {}): OperationRecord => ({
  ...{ id, kind: 'promote', state: 'running', committed: false, reason: '', source: 'peer' },
  ...{ epoch: 1, startedAt: new Date().toISOString(), endedAt: null, steps: [] },
  ...{ result: null, error: null, command: {}, attempt: 1 },
  ...more,
});

const promoteByForce = async (node: Node): Promise<OperationRecord | undefined> => {
  const command = { force: true, planned: false, dryRun: false, reason: 'it is gone for good' };
  const { id } = await request(node, 'promote', command, { source: 'operator' });
  return node.runner.wait(id, 10_000);
};

/** A handover of VCL2 that has made its offer, and waits for what `takeOver` answers. */
const offered = async (
  takeOver: (operation: string) => Promise<OperationRecord>,
): Promise<{ primary: FakeNode; handover: OperationRecord }> => {
  const primary = await create('primary');
  const standby = await create('standby');
  const { peer, runner, state } = primary.node;
  takesBackups(peer);
  peer.status = async () => ({ ...nodeStatus(standby.node), operation: null });
  peer.takeOver = takeOver;
  const asked = { reason: '', dryRun: false };
  const handover = await request(primary.node, 'demote', asked, { source: 'operator' });
  await expect.poll(() => runner.current?.steps.at(-1)?.name).toBe('await-peer');
  expect(state.current.mode).toBe('yielding');
  return { primary, handover };
};

describe('the other node dies after the offer of a handover, and whoever knows that takes the role back', () => {
  const isBack = async ({ node }: FakeNode, handover: string) => {
    expect(await promoteByForce(node)).toMatchObject({ state: 'done' });
    expect(node.state.current).toMatchObject({ mode: 'primary', epoch: 3, yielding: null });
    expect(node.runner.get(handover)).toMatchObject({
      state: 'rolled-back',
      error: { code: 'preempted' },
    });
  };

  test('while it waits', async () => {
    const { primary, handover } = await offered(async () => {
      throw gone();
    });
    await isBack(primary, handover.id);
  });

  test('after it was cancelled, which the other node cannot be told', async () => {
    const { primary, handover } = await offered(async () => {
      throw gone();
    });
    const { runner } = primary.node;
    runner.cancel(handover.id, 'asked to');
    await expect.poll(() => runner.current?.steps.at(-1)?.detail).toContain('frozen until');
    await isBack(primary, handover.id);
  });

  test('after a restart of its agent', async () => {
    const primary = await create('primary');
    const { node } = primary;
    const handover = recordOf('handover-of-before', { kind: 'handover' });
    await node.state.apply('yield', 1, {
      yielding: {
        ...{ operation: handover.id, epoch: 2, cause: 'handover' },
        ...{ finalBackup: null, writes: null },
      },
    });
    await node.runner.resume(
      planInterruptedHandover(node, { reason: '', dryRun: false }),
      handover,
    );
    await expect.poll(() => node.runner.current?.steps.at(-1)?.name).toBe('await-peer');
    await isBack(primary, handover.id);
  });

  test('but not from one that answers, and has taken over in another operation', async () => {
    const { node } = await create('primary');
    await requestFence(node, { operation: 'promote-one', epoch: 2 });
    node.peer.cancel = async (id) => {
      await noteEpoch(node, 2);
      return recordOf(id, { state: 'rolled-back' });
    };
    expect(await promoteByForce(node)).toMatchObject({
      state: 'refused',
      error: { code: 'superseded' },
    });
    expect(node.state.current).toMatchObject({ mode: 'yielding', epoch: 1 });
  });
});

test('a role that is taken back by force is still due to go back to where it came from', async () => {
  const { node } = await create('standby');
  await receive(node, 1, 3);
  expect(await promoteByForce(node)).toMatchObject({ state: 'done' });
  await node.state.apply('yield', 2, {
    yielding: {
      ...{ operation: 'failback', epoch: 3, cause: 'handover' },
      ...{ finalBackup: null, writes: null },
    },
  });
  expect(await promoteByForce(node)).toMatchObject({ state: 'done' });
  expect(node.state.current).toMatchObject({ mode: 'primary', failbackDue: true });
});

test('so is one that was lost to a takeover which nobody had used', async () => {
  const { node } = await create('standby');
  await receive(node, 1, 3);
  expect(await promoteByForce(node)).toMatchObject({ state: 'done' });
  let asked: unknown;
  node.peer.fenceUnused = async (_operation, _epoch, served) => {
    asked = served;
    return { mode: 'yielding', detail: 'stopped', unused: true };
  };
  await noteEpoch(node, 3);
  await expect.poll(() => node.state.current.mode).toBe('primary');
  expect(node.state.current).toMatchObject({ epoch: 4, failbackDue: true });
  // An agent of before knows no more.
  expect(asked).toEqual({ epoch: 2, backup: expect.any(String) });
});

test('a role that was lost for good is not due to go anywhere', async () => {
  const { node } = await create('standby');
  await receive(node, 1, 3);
  expect(await promoteByForce(node)).toMatchObject({ state: 'done' });
  await noteEpoch(node, 3);
  await expect.poll(() => node.runner.current).toBeUndefined();
  expect(node.state.current).toMatchObject({ mode: 'standby', failbackDue: false });
});

test('a takeover is withdrawn while it waits for a preparation to end: it does not begin afterwards', async () => {
  const { node, database } = await create('standby');
  const before = await receive(node, 1, 3);
  const backup = await receive(node, 2, 4);
  const swapping = held();
  const swap = database.swap.bind(database);
  database.swap = async (marker, keepAs) => {
    await swapping.over;
    return swap(marker, keepAs);
  };
  const preparation = planPrepare(node, node.backups.get(before));
  await node.runner.start(preparation, { source: 'schedule' });
  await expect.poll(() => node.runner.current?.steps.at(-1)?.name).toBe('swap');
  const taking = requestTakeOver(node, { operation: 'handover', epoch: 2, backup });
  expect(await cancelOperation(node, 'handover')).toMatchObject({ state: 'refused' });
  swapping.letGo();
  expect(await taking).toMatchObject({ id: 'handover', state: 'refused', committed: false });
  expect(node.runner.current).toBeUndefined();
  expect(node.state.current).toMatchObject({ mode: 'standby', epoch: 0 });
});

describe('somebody writes past the freeze, after the last look at it', () => {
  const write = ({ databases }: FakeNode['database']) => {
    const rows = databases.get('ledger')?.rows ?? {};
    rows['public.entries'] = (rows['public.entries'] ?? 0) + 5;
  };
  const keptAside = ({ database }: FakeNode) =>
    [...database.databases.keys()].some((name) => name.startsWith('ledger_diverged_'));

  test('of a handover: its database is kept, and nobody is told that nothing is lost', async () => {
    const { primary, handover } = await offered(async (operation) => recordOf(operation));
    const { node } = primary;
    write(primary.database);
    const taken = recordOf(handover.id, { state: 'done', committed: true });
    node.peer.operation = async () => taken;
    node.peer.takeOver = async () => taken;
    expect(await node.runner.wait(handover.id, 10_000)).toMatchObject({ state: 'done' });
    expect(primary.announced).toMatchObject([
      { event: 'demoted', severity: 'critical', message: expect.stringContaining('it is kept') },
    ]);
    await createGuard(node)();
    await node.runner.wait(node.runner.current?.id ?? '', 10_000);
    expect(keptAside(primary)).toBe(true);
  });

  test.each([
    ['its database is kept', true],
    ['with nothing written there is nothing to keep', false],
  ])('of the last dump of a takeover: %s', async (_, isWritten) => {
    const primary = await create('primary');
    const { node } = primary;
    takesBackups(node.peer);
    await requestFence(node, { operation: 'promote', epoch: 2 });
    const asked = { rescue: 'promote', reason: '' };
    const rescue = await request(node, 'backup', asked, { source: 'peer' });
    const { result } = (await node.runner.wait(rescue.id, 10_000)) ?? {};
    if (isWritten) write(primary.database);
    const promotion = { operation: 'promote', epoch: 2, backup: String(result?.backup), at: '' };
    node.peer.status = async () => ({ ...nodeStatus(node), mode: 'primary', epoch: 2, promotion });
    node.peer.operation = async (id) => recordOf(id, { state: 'done', committed: true });
    await resolvePendingYield(node);
    await node.runner.wait(node.runner.current?.id ?? '', 10_000);
    expect(keptAside(primary)).toBe(isWritten);
  });
});

describe('the other node is primary, and the disk of this one does not take that', () => {
  const full = async () => {
    throw new ColdspareError('disk-full', 'there is no room', 'make room');
  };

  test('it gives its ballast away, and stands down', async () => {
    const { node } = await create('primary');
    await node.ballast.create();
    const { write, remove } = node.disk;
    node.disk.write = full;
    node.disk.remove = async (path) => {
      await remove(path);
      node.disk.write = write;
    };
    await noteEpoch(node, 2);
    await node.runner.wait(node.runner.current?.id ?? '', 10_000);
    expect(node.state.current).toMatchObject({ mode: 'standby', epoch: 2 });
  });

  test('without one its app is stopped all the same, and nobody is sent there', async () => {
    const { node, app } = await create('primary');
    app.runs = true;
    const guard = createGuard(node);
    await guard();
    expect(isServing(node)).toBe(true);
    node.disk.write = full;
    await expect(noteEpoch(node, 2)).rejects.toMatchObject({ code: 'disk-full' });
    expect(isServing(node)).toBe(false);
    await expect(guard()).rejects.toMatchObject({ code: 'disk-full' });
    expect(app.runs).toBe(false);
    await expect(guard()).rejects.toMatchObject({ code: 'disk-full' });
    expect(app.runs).toBe(false);
  });
});

test.each([
  ['ALONE=wait', 'wait', undefined],
  ['the users are served already', 'serve', 'http://witness.invalid/'],
] as const)(
  'a primary that waits for an answer which cannot reach it (%s) does not keep the other from taking over',
  async (why, alone, witnessUrl) => {
    const waiting = await create('primary', { settings: { alone, witnessUrl, aloneGrace: 0 } });
    waiting.app.runs = false;
    waiting.node.probe.get = async () => ({ outcome: 'answers', status: 200 });
    await waiting.node.runner.start(planBoot(waiting.node, 'the agent was started'), {
      source: 'agent',
    });
    await expect.poll(() => nodeStatus(waiting.node).alone).toContain(why);
    const { node } = await create('standby');
    await receive(node, 1, 3);
    node.peer.status = async () => nodeStatus(waiting.node);
    node.peer.fence = async () => ({ mode: 'yielding', detail: 'stopped' });
    const command = { force: false, planned: false, dryRun: false, reason: '' };
    const { id } = await request(node, 'promote', command, { source: 'webhook' });
    expect(await node.runner.wait(id, 10_000)).toMatchObject({ state: 'done' });
    await waiting.node.runner.cancel(waiting.node.runner.current?.id ?? '', 'the test is over');
  },
);

describe('the old primary answers, and its disk does not take the promise', () => {
  const promote = async (stop: () => Promise<void>) => {
    const fake = await create('standby');
    const { node } = fake;
    await receive(node, 1, 3);
    node.peer.status = async () => ({ ...nodeStatus(node), mode: 'primary', operation: null });
    node.peer.fence = async () => {
      throw new ColdspareError('peer-refused', 'app-failed: EROFS', 'none', {
        value: 'app-failed',
      });
    };
    const { database } = await create('primary');
    node.machine = { reach: async (_signal, use) => use({ app: { stop }, database }) };
    const result = await promoteByForce(node);
    return { node, result };
  };

  test('it is stopped over SSH', async () => {
    const stopped: string[] = [];
    const { result } = await promote(async () => {
      stopped.push('app');
    });
    expect(stopped).toContain('app');
    expect(result).toMatchObject({ state: 'done', result: { fenced: 'fenced-by-ssh' } });
  });

  test('nor can it be stopped over SSH: nothing is taken over, not even by force', async () => {
    const { node, result } = await promote(async () => {
      throw new ColdspareError('ssh-command-failed', 'docker hangs', 'none');
    });
    expect(result).toMatchObject({ state: 'rolled-back', error: { code: 'ssh-command-failed' } });
    expect(node.state.current.mode).toBe('standby');
  });
});
