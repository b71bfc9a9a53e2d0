import { afterEach, expect, test } from 'vitest';
import { eventually, type Pair, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

describePostgres('an app that nobody vouches for', () => {
  let pair: Pair | undefined;
  afterEach(async () => {
    await pair?.remove();
    pair = undefined;
  });

  test('is stopped by the watchdog when its agent is wedged, and served again when it is back', async () => {
    pair = await startPair({ env: { WATCHDOG_TIMEOUT: '3s', APP_RESTART_AFTER: '500ms' } });
    const { vcl2 } = pair;
    process.kill(vcl2.agent.pid ?? 0, 'SIGSTOP');
    expect(await vcl2.entries()).toEqual(['SEED']);
    await eventually('the app is stopped', async () => (await vcl2.entries()) === undefined);
    process.kill(vcl2.agent.pid ?? 0, 'SIGCONT');
    await eventually('the app serves again', async () => (await vcl2.entries()) !== undefined);
  });

  test('is stopped by the watchdog when its agent is dead and does not return', async () => {
    pair = await startPair({ env: { WATCHDOG_TIMEOUT: '3s' } });
    const { vcl2 } = pair;
    await vcl2.agent.kill();
    expect(await vcl2.entries()).toEqual(['SEED']);
    await eventually('the app is stopped', async () => (await vcl2.entries()) === undefined);
  });

  test('goes on when its agent is only restarted', async () => {
    pair = await startPair({ env: { WATCHDOG_TIMEOUT: '20s' } });
    const { vcl2 } = pair;
    await vcl2.agent.stop();
    await vcl2.agent.start();
    expect(await vcl2.entries()).toEqual(['SEED']);
    expect(await vcl2.lastOperation('boot')).toMatchObject({ reason: 'the agent was started' });
  });
});

describePostgres('an agent starts again without a watchdog', () => {
  let pair: Pair | undefined;
  afterEach(() => pair?.remove());

  test('the watchdog of before ends, and does not stop an app that its agent vouches for', async () => {
    pair = await startPair({ env: { WATCHDOG_TIMEOUT: '3s' } });
    const { vcl2 } = pair;
    await eventually('there is one', async () => vcl2.watchdogs().length === 1);
    await vcl2.agent.stop();
    await vcl2.agent.start({ WATCHDOG_TIMEOUT: '0' });
    await eventually('it has ended', async () => vcl2.watchdogs().length === 0);
    expect(await vcl2.entries()).toEqual(['SEED']);
  });

  test('with other settings, one by those takes its place', async () => {
    pair = await startPair({ env: { WATCHDOG_TIMEOUT: '20s' } });
    const { vcl2 } = pair;
    await eventually('there is one', async () => vcl2.watchdogs().length === 1);
    const before = vcl2.watchdogs();
    await vcl2.agent.stop();
    await vcl2.agent.start({ WATCHDOG_TIMEOUT: '3s' });
    await eventually('there is another', async () => {
      const [now, ...more] = vcl2.watchdogs();
      return now !== undefined && more.length === 0 && !before.includes(now);
    });
    await vcl2.agent.kill();
    await eventually('it stops the app', async () => (await vcl2.entries()) === undefined);
  });
});

describePostgres('a primary that returns and cannot ask its peer', () => {
  let pair: Pair | undefined;
  afterEach(async () => {
    await pair?.remove();
    pair = undefined;
  });

  test('ALONE=serve: serves after the grace period, and says so until the peer answers', async () => {
    pair = await startPair({ env: { ALONE_GRACE: '1s' } });
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
    pair = await startPair({ env: { ALONE_GRACE: '500ms', ALONE: 'wait' } });
    const { vcl2, vcl3 } = pair;
    await vcl3.agent.kill();
    await vcl2.losePower();
    await vcl2.agent.start();
    await eventually('it says that it waits', async () => {
      const { operation } = await vcl2.agent.status();
      return operation?.steps.some(({ detail }) => detail?.includes('ALONE=wait'));
    });
    expect(await vcl2.entries()).toBeUndefined();
    await vcl3.agent.start();
    await eventually('VCL2 serves', async () => (await vcl2.entries()) !== undefined);
  });
});
