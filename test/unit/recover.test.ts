import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { OperationRecord } from '../../src/domain/operation.js';
import { recover } from '../../src/operations/boot/recover.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';

const ID = '20261122_120000_promote_0a1b2c3d';
const MINUTE = 60_000;

let standby: FakeNode;
beforeEach(async () => {
  standby = await createFakeNode('standby');
});
afterEach(() => standby.remove());

/** A forced promote that lost power before its commit, `age` ms ago; what became of it at the next start. */
const cutPromote = async (age: number): Promise<OperationRecord | undefined> => {
  const { node } = standby;
  const at = new Date(node.clock.now() - age).toISOString();
  const record: OperationRecord = {
    id: ID,
    kind: 'promote',
    state: 'running',
    committed: false,
    reason: 'requested by operator',
    source: 'operator',
    epoch: 0,
    startedAt: at,
    endedAt: null,
    steps: [{ name: 'restore', state: 'running', startedAt: at, endedAt: null, detail: null }],
    result: null,
    error: null,
    command: { type: 'promote', source: 'operator', reason: '', force: true },
    attempt: 1,
  };
  node.runner.list = () => [record];
  await recover(node);
  await node.runner.wait(node.runner.current?.id ?? '', 10_000);
  return node.runner.get(ID);
};

describe('a standby loses power in the middle of a forced promote', () => {
  test('and is back after a reboot: it goes on', async () => {
    expect(await cutPromote(5 * MINUTE)).toMatchObject({ attempt: 2 });
  });

  test.each([
    ['an hour later, when the old primary may long serve again', 60 * MINUTE],
    ['with a clock that was set back', -60 * MINUTE],
  ])('and is back %s: whoever still wants it has to ask again', async (_when, age) => {
    expect(await cutPromote(age)).toMatchObject({
      state: 'rolled-back',
      attempt: 1,
      error: { code: 'interrupted', remedy: 'ask again if it is still wanted' },
    });
    expect(standby.node.state.current.mode).toBe('standby');
  });
});
