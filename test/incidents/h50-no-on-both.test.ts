import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { createGuard } from '../../src/background/guard.js';
import { probePeer } from '../../src/peer/probe-peer.js';
import { waitForApp } from '../../src/serve/app.js';
import { isProven, noteProven } from '../../src/state/baseline.js';
import { nodeStatus } from '../../src/status/node-status.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';
import { type InProcessPair, startInProcessPair } from '../support/in-process-pair.js';

const WAIT = { timeout: 60_000, interval: 100 };

describe('H50: the health URL says no on both servers', () => {
  let pair: InProcessPair;
  beforeAll(async () => {
    pair = await startInProcessPair({
      ...{ MONITOR: 'on', FAIL_THRESHOLD: '3', FAILBACK: 'auto', APP_START_TIMEOUT: '2s' },
      APP_RESTART_AFTER: '20s',
    });
    await vi.waitFor(() => pair.vcl2.do('/backups'), WAIT);
  });
  afterAll(() => pair?.remove());

  test('one takeover, and no more: the other server would say the same', async () => {
    const { vcl2, vcl3 } = pair;
    // A release that sends every visitor to the login.
    for (const { app } of [vcl2, vcl3]) app.health = { outcome: 'answers', status: 302 };
    await expect
      .poll(async () => (await vcl3.agent.status()).problems, WAIT)
      .toContain('fails-on-both');
    await expect
      .poll(() => vcl2.lastOperation('promote'), WAIT)
      .toMatchObject({ state: 'refused', error: { code: 'common-cause' } });
    expect(await vcl3.agent.status()).toMatchObject({ mode: 'primary', epoch: 2 });
    const promotes = (await vcl2.agent.operations()).filter(({ kind }) => kind === 'promote');
    expect(promotes.map(({ state }) => state)).not.toContain('done');
  });

  test('once it says yes, the next outage is an outage again', async () => {
    const { vcl2, vcl3 } = pair;
    for (const { app } of [vcl2, vcl3]) app.health = undefined;
    await expect.poll(async () => (await vcl3.agent.status()).serving, WAIT).toBe(true);
    await expect.poll(async () => (await vcl3.agent.status()).unserved, WAIT).toBe(null);
    await expect.poll(async () => (await vcl2.agent.status()).serving, WAIT).toBe(true);
  });
});

describe('H50: the health URL has never said yes', () => {
  const fakes: FakeNode[] = [];
  afterEach(async () => {
    for (const fake of fakes.splice(0)) await fake.remove();
  });

  test('its no starts no takeover, and does not stop the app', async () => {
    const primary = await createFakeNode('primary', { settings: { appRestartAfter: 0 } });
    const standby = await createFakeNode('standby');
    fakes.push(primary, standby);
    let stops = 0;
    primary.app.stop = async () => {
      stops += 1;
    };
    primary.app.check = async () => ({ outcome: 'breaks', detail: 'CERT_HAS_EXPIRED' });
    primary.node.settings.appStartTimeout = 1;
    await primary.node.state.update({ proven: {} });
    const guard = createGuard(primary.node);
    for (let round = 0; round < 4; round += 1) {
      await guard();
      const { current } = primary.node.runner;
      if (current !== undefined) await primary.node.runner.wait(current.id, 10_000);
    }
    expect(stops).toBe(0);
    expect(nodeStatus(primary.node).problems).toContain('health-unfit');
    standby.node.peer.status = async () => nodeStatus(primary.node);
    expect((await probePeer(standby.node)).views.agent).toBe('blind');
    // This server has seen that URL say yes: then the other one has lost something.
    const { proven } = (await createProven(fakes)).node.state.current;
    await standby.node.state.update({ proven });
    expect((await probePeer(standby.node)).views.agent).toBe('idle');
  });
});

describe('H50: the health URL has said yes for a moment only', () => {
  const fakes: FakeNode[] = [];
  afterEach(async () => {
    for (const fake of fakes.splice(0)) await fake.remove();
  });

  test('the app answers its start and crashes before the next round of checks: that is an outage', async () => {
    const primary = await createFakeNode('primary');
    const standby = await createFakeNode('standby');
    fakes.push(primary, standby);
    await primary.node.state.update({ proven: {} });
    await waitForApp(primary.node, new AbortController().signal);
    primary.app.check = async () => ({ outcome: 'refuses', detail: 'ECONNREFUSED' });
    await createGuard(primary.node)();
    const { current } = primary.node.runner;
    if (current !== undefined) await primary.node.runner.wait(current.id, 10_000);

    standby.node.peer.status = async () => nodeStatus(primary.node);
    expect((await probePeer(standby.node)).views.agent).toBe('idle');
  });

  test('two checks that say yes at the same time are both remembered', async () => {
    const { node } = await createProven(fakes);
    node.settings.primaryCheckUrl = 'http://10.0.0.2:8080/health';
    await node.state.update({ proven: {} });
    await Promise.all([
      noteProven(node, 'APP_HEALTH_URL', true),
      noteProven(node, 'PRIMARY_CHECK_URL', true),
    ]);
    expect(isProven(node, 'APP_HEALTH_URL')).toBe(true);
    expect(isProven(node, 'PRIMARY_CHECK_URL')).toBe(true);
  });
});

const createProven = async (fakes: FakeNode[]): Promise<FakeNode> => {
  const fake = await createFakeNode('primary');
  fakes.push(fake);
  return fake;
};
