import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, type Machine, type Pair, serves, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

/** The agent starts anew with other settings, and serves. */
const restart = async (machine: Machine, settings: Record<string, string> = {}): Promise<void> => {
  await machine.agent.stop();
  await machine.agent.start(settings);
  await serves(machine);
};

const isStopped = (machine: Machine) =>
  eventually('the app is stopped', async () => (await machine.entries()) === undefined);

describePostgres('an app that nobody vouches for', () => {
  let pair: Pair;
  beforeAll(async () => {
    pair = await startPair({ env: { WATCHDOG_TIMEOUT: '3s', APP_RESTART_AFTER: '500ms' } });
  });
  afterAll(() => pair?.remove());

  test('is stopped by the watchdog when its agent is wedged, and served again when it is back', async () => {
    const { vcl2 } = pair;
    process.kill(vcl2.agent.pid ?? 0, 'SIGSTOP');
    expect(await vcl2.entries()).toEqual(['SEED']);
    await isStopped(vcl2);
    process.kill(vcl2.agent.pid ?? 0, 'SIGCONT');
    await eventually('the app serves again', async () => (await vcl2.entries()) !== undefined);
    await serves(vcl2);
  });

  test('is stopped by the watchdog when its agent is dead and does not return', async () => {
    const { vcl2 } = pair;
    await vcl2.agent.kill();
    expect(await vcl2.entries()).toEqual(['SEED']);
    await isStopped(vcl2);
    await vcl2.agent.start();
    await serves(vcl2);
  });

  test('goes on when its agent is only restarted', async () => {
    const { vcl2 } = pair;
    await restart(vcl2, { WATCHDOG_TIMEOUT: '20s' });
    await vcl2.agent.stop();
    await vcl2.agent.start({ WATCHDOG_TIMEOUT: '20s' });
    expect(await vcl2.entries()).toEqual(['SEED']);
    expect(await vcl2.lastOperation('boot')).toMatchObject({ reason: 'the agent was started' });
  });

  test('has no watchdog any more once its agent is started without one', async () => {
    const { vcl2 } = pair;
    await restart(vcl2);
    await eventually('there is one', async () => vcl2.watchdogs().length === 1);
    await vcl2.agent.stop();
    await vcl2.agent.start({ WATCHDOG_TIMEOUT: '0' });
    await eventually('it has ended', async () => vcl2.watchdogs().length === 0);
    expect(await vcl2.entries()).toEqual(['SEED']);
  });

  test('has a watchdog by the settings of its last start, and by no others', async () => {
    const { vcl2 } = pair;
    await restart(vcl2, { WATCHDOG_TIMEOUT: '20s' });
    await eventually('there is one', async () => vcl2.watchdogs().length === 1);
    const before = vcl2.watchdogs();
    await vcl2.agent.stop();
    await vcl2.agent.start({ WATCHDOG_TIMEOUT: '3s' });
    await eventually('there is another', async () => {
      const [now, ...more] = vcl2.watchdogs();
      return now !== undefined && more.length === 0 && !before.includes(now);
    });
    await vcl2.agent.kill();
    await isStopped(vcl2);
  });
});

describePostgres('a primary that returns and cannot ask its peer', () => {
  let pair: Pair;
  beforeAll(async () => {
    pair = await startPair({ env: { ALONE_GRACE: '1s' } });
  });
  afterAll(() => pair?.remove());

  test('ALONE=serve: serves after the grace period, and says so until the peer answers', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl3.agent.kill();
    await vcl2.losePower();
    await vcl2.agent.start();
    await eventually('VCL2 serves', async () => (await vcl2.entries()) !== undefined);
    expect((await vcl2.agent.status()).alone).toContain('ALONE=serve');
    await vcl3.agent.start();
    await eventually('they have met', async () => (await vcl2.agent.status()).alone === null);
  });

  test('ALONE=wait: does not serve until the peer answers', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl3.agent.kill();
    await vcl2.losePower();
    await vcl2.agent.start({ ALONE_GRACE: '500ms', ALONE: 'wait' });
    await eventually('it says that it waits', async () => {
      const { operation } = await vcl2.agent.status();
      return operation?.steps.some(({ detail }) => detail?.includes('ALONE=wait'));
    });
    expect(await vcl2.entries()).toBeUndefined();
    await vcl3.agent.start();
    await eventually('VCL2 serves', async () => (await vcl2.entries()) !== undefined);
  });
});
