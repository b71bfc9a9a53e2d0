import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createFailback } from '../../src/background/failback.js';
import { formatStatus } from '../../src/cli/commands/status.js';
import type { NodeStatus } from '../../src/domain/status.js';
import { nodeStatus } from '../../src/status/node-status.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';

const MINUTE = 60_000;

describe('H100: VCL2 is back, and nobody knows when it gets its role back', () => {
  let serving: FakeNode;
  let returned: FakeNode;
  let elapsed: number;
  beforeEach(async () => {
    serving = await createFakeNode('primary', {
      settings: { failback: 'auto', failbackStable: MINUTE },
    });
    returned = await createFakeNode('standby');
    elapsed = 0;
    serving.node.clock.elapsed = () => elapsed;
  });
  afterEach(async () => {
    await serving.remove();
    await returned.remove();
  });

  const recently = (count: number): string[] => Array(count).fill(new Date().toISOString());

  /** What the status says after the peer was seen like this. */
  const check = async (failback: () => Promise<void>, peer: Partial<NodeStatus> = {}) => {
    const { node } = serving;
    const ready = { ...nodeStatus(returned.node), epoch: node.state.current.epoch, ...peer };
    node.peerView.last = { value: ready, at: node.clock.now() };
    await failback();
    const { at, because } = nodeStatus(node).failback;
    const minutes = at === null ? null : Math.round((Date.parse(at) - Date.now()) / MINUTE);
    return { minutes, because };
  };

  test('the fifth failover of a day: sixteen minutes, counted down, with the reason', async () => {
    const { node } = serving;
    await node.state.update({ failbackDue: true, failovers: recently(5) });
    const failback = createFailback(node);
    expect(await check(failback)).toEqual({
      minutes: 16,
      because:
        'the other server has to be ready for 16 min (FAILBACK_STABLE, doubled for 5 failovers within a day)',
    });
    elapsed += 6 * MINUTE;
    expect(await check(failback)).toMatchObject({ minutes: 10 });
    expect(formatStatus(nodeStatus(node), Date.now()).join('\n')).toMatch(
      /failback {2}due \(auto, in (10 min|600 s)\): the other server has to be ready for 16 min/,
    );
  });

  test.each<[Partial<NodeStatus>, string]>([
    [{ mode: 'yielding' }, 'the other server is yielding'],
    [{ problems: ['no-room'] }, 'the other server says no-room'],
    [{ epoch: 0 }, 'the other server has not heard of this epoch yet'],
  ])('it is not ready: %o', async (peer, because) => {
    await serving.node.state.update({ failbackDue: true });
    expect(await check(createFailback(serving.node), peer)).toEqual({ minutes: null, because });
  });

  test('a person decides it, or it is not due at all', async () => {
    const { node } = serving;
    const failback = createFailback(node);
    expect(await check(failback)).toEqual({ minutes: null, because: null });
    node.settings.failback = 'manual';
    await node.state.update({ failbackDue: true });
    expect(await check(failback)).toEqual({
      minutes: null,
      because: 'FAILBACK=manual: a person gives it back',
    });
  });
});
