import { afterEach, expect, test } from 'vitest';
import { eventually, type Pair, standsBy, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

describePostgres('H19: somebody starts the app on VCL3 to try it', () => {
  let pair: Pair;
  afterEach(() => pair?.remove());

  /** A database of its own, as `docker compose up` on the standby makes one. */
  const startPairWithSeededStandby = async () => {
    pair = await startPair({ env: { MONITOR: 'on', FAILBACK: 'auto', FAILBACK_STABLE: '0' } });
    const { vcl2, vcl3 } = pair;
    await vcl2.write('an order');
    await vcl2.run('/backups');
    await standsBy(vcl3);
    await vcl3.database.start();
    await vcl3.database.psql('CREATE DATABASE ledger');
    return pair;
  };

  /** Nobody has taken the running app for a role, and nobody has overwritten anything. */
  const nothingElseHappened = async ({ vcl2, vcl3 }: Pair) => {
    await eventually('the app of VCL3 is gone', () =>
      fetch(vcl3.appUrl, { signal: AbortSignal.timeout(3_000) }).then(
        () => false,
        // One that hangs is still there.
        ({ name }) => name !== 'TimeoutError',
      ),
    );
    await standsBy(vcl3);
    expect(await vcl3.agent.status()).toMatchObject({ mode: 'standby', epoch: 1 });
    expect(await vcl2.agent.status()).toMatchObject({ mode: 'primary', epoch: 1, serving: true });
    expect(await vcl2.entries()).toEqual(['SEED', 'an order']);
    for (const { agent } of [vcl2, vcl3]) {
      const done = (await agent.operations()).filter(({ state }) => state === 'done');
      const kinds = new Set(done.map(({ kind }) => kind));
      expect(kinds.has('promote') || kinds.has('handover')).toBe(false);
    }
  };

  test('the agent watches: VCL3 stays a standby, and the guard stops the app', async () => {
    const { vcl3 } = await startPairWithSeededStandby();

    await vcl3.startAppByOthers();

    await eventually('the guard has seen it', async () => {
      const boot = await vcl3.lastOperation('boot');
      return boot?.reason === 'the app was started by somebody else';
    });
    await nothingElseHappened(pair);
  });

  test('the agent comes up later: VCL3 is what its state says, not what runs there', async () => {
    const { vcl3 } = await startPairWithSeededStandby();
    await vcl3.agent.kill();
    await vcl3.startAppByOthers();
    await eventually('VCL3 shows seeds', async () => (await vcl3.entries())?.includes('SEED'));

    await vcl3.agent.start();

    await nothingElseHappened(pair);
  }, 120_000);
});
