import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createGuard } from '../../src/background/guard.js';
import { planBoot } from '../../src/operations/boot/boot.js';
import { isReady } from '../../src/serve/serving.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';

const GRACE = 60_000;

describe('H62: the agent of a primary is restarted while its peer is down', () => {
  let fake: FakeNode;
  let uptime: { boot: string; elapsed: number };
  beforeEach(async () => {
    uptime = { boot: 'monday', elapsed: 1_000_000 };
    fake = await createFakeNode('primary', {
      settings: { aloneGrace: GRACE, checkInterval: 5_000, failThreshold: 3 },
    });
    fake.node.clock.uptime = () => uptime;
    await createGuard(fake.node)();
  });
  afterEach(() => fake.remove());

  /** What the boot of a new agent came to, and whether load balancers may send users here by then. */
  const restart = async (patience = 400): Promise<{ ended: boolean; ready: boolean }> => {
    const { node } = fake;
    node.local.opened = false;
    node.local.app = undefined;
    const { id } = await node.runner.start(planBoot(node, 'the agent was started'), {
      source: 'agent',
    });
    const record = await node.runner.wait(id, patience);
    return { ended: record?.state === 'done', ready: isReady(node) };
  };

  test('the app has served on: it is in service again at once', async () => {
    uptime = { ...uptime, elapsed: uptime.elapsed + 14_000 };
    expect(await restart(20_000)).toEqual({ ended: true, ready: true });
  });

  test.each<[string, () => Promise<unknown> | unknown]>([
    [
      'long enough for a takeover',
      () => (uptime = { ...uptime, elapsed: uptime.elapsed + 15_000 }),
    ],
    ['with the whole machine', () => (uptime = { boot: 'tuesday', elapsed: 1_001_000 })],
    ['and the app as well', () => fake.app.stop()],
    ['in a later epoch than it served in', () => fake.node.state.update({ epoch: 3 } as object)],
    ['and there is no note of when it served', () => rm(join(fake.directory, 'served.json'))],
  ])('it was away %s: it waits for its peer first', async (_why, happens) => {
    await happens();
    expect(await restart()).toEqual({ ended: false, ready: false });
  });

  test('its peer is in the middle of a takeover, and then silent: it waits', async () => {
    const { node } = fake;
    let asked = 0;
    const { status } = node.peer;
    node.peer.status = async () => {
      asked += 1;
      if (asked > 1) return status();
      const operation = { id: 'taking-over', kind: 'promote', committed: false, steps: [] };
      return { node: 'vcl3', mode: 'standby', epoch: 1, alone: null, operation } as never;
    };
    expect(await restart(1_500)).toEqual({ ended: false, ready: false });
    expect(asked).toBe(2);
  });
});
