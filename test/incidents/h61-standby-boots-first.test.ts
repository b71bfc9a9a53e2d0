import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { planPromote } from '../../src/operations/promote/promote.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';

const GRACE = 600;
const COMMAND = { force: false, planned: false, reason: '', dryRun: false };

describe('H61: after a power cut, the standby is the first to boot', () => {
  let fake: FakeNode;
  beforeEach(async () => {
    fake = await createFakeNode('standby', { settings: { aloneGrace: GRACE } });
  });
  afterEach(() => fake.remove());

  const promote = async (source: 'monitor' | 'webhook' | 'operator', force = false) => {
    const { node } = fake;
    const began = node.clock.elapsed();
    const plan = planPromote(node, { ...COMMAND, force }, { source });
    const { id } = await node.runner.start(plan, { source });
    const record = await node.runner.wait(id, 10_000);
    return { code: record?.error?.code, took: node.clock.elapsed() - began };
  };

  test.each(['monitor', 'webhook'] as const)(
    'the %s finds nobody: the primary gets as long to answer as ALONE_GRACE says',
    async (source) => {
      // Nothing to start from: it comes that far only once the outage is confirmed.
      expect(await promote(source)).toEqual({ code: 'no-backup', took: expect.any(Number) });
      expect(fake.node.clock.elapsed() - (fake.node.peerView.begunAt ?? 0)).toBeGreaterThan(GRACE);
    },
  );

  test('the primary comes up meanwhile: it is asked what it does, and left alone', async () => {
    const { node } = fake;
    const operation = { id: 'boot', kind: 'boot', committed: false, steps: [] };
    setTimeout(() => {
      node.peer.status = async () =>
        ({ node: 'vcl2', mode: 'primary', serving: false, alone: null, operation }) as never;
    }, GRACE / 3);
    const { code, took } = await promote('monitor');
    expect(code).toBe('primary-busy');
    expect(took).toBeLessThan(GRACE);
  });

  test('a primary that has answered since the start, and is gone now, gets no more time', async () => {
    fake.node.peerView.answer = { value: {} as never, at: fake.node.clock.now() };
    const { code, took } = await promote('monitor');
    expect(code).toBe('no-backup');
    expect(took).toBeLessThan(GRACE);
  });

  test.each([
    ['a person asks', 'operator', false],
    ['it is forced', 'webhook', true],
  ] as const)('%s: nobody waits', async (_why, source, force) => {
    const { code, took } = await promote(source, force);
    expect(code).toBe('no-backup');
    expect(took).toBeLessThan(GRACE);
  });
});
