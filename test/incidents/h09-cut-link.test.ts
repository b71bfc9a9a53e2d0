import { afterEach, expect, test } from 'vitest';
import type { LoadBalancer } from '../../scripts/demo-story/load-balancer.js';
import { startLoadBalancer } from '../support/load-balancer.js';
import { eventually, type Pair, serves, standsBy, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

describePostgres('H09: only the link between VCL2 and VCL3 breaks', () => {
  let pair: Pair;
  let vcl1: LoadBalancer | undefined;
  afterEach(async () => {
    await vcl1?.close();
    vcl1 = undefined;
    await pair?.remove();
  });

  test('with a witness: the outside is served by VCL2, so VCL3 does not take over', async () => {
    pair = await startPair({ start: false });
    const { vcl2, vcl3, link } = pair;
    vcl1 = await startLoadBalancer(pair);
    await vcl2.agent.start();
    await vcl3.agent.start({ MONITOR: 'on', WITNESS_URL: vcl1.url });
    await serves(vcl2);
    await vcl2.do('/backups');

    link.cut();
    const why = /only the link between the servers is cut/;
    const refusal = await eventually('VCL3 has thought of taking over', async () => {
      const refused = await vcl3.lastOperation('promote', 'refused');
      return refused?.error?.message.match(why) ? refused : undefined;
    });
    expect(refusal).toMatchObject({ source: 'monitor', error: { code: 'primary-healthy' } });
    expect((await vcl3.run('/promote')).body).toMatchObject({
      code: 'primary-healthy',
      detail: expect.stringMatching(why),
    });
    expect(await vcl3.agent.status()).toMatchObject({ mode: 'standby', policy: { witness: true } });
    expect(await vcl3.entries()).toBeUndefined();
    expect(await vcl2.write('with the link cut')).toBe(true);

    // The same VCL3 takes over when the outside is not served any more.
    await vcl2.losePower();
    await eventually('VCL1 has nobody', async () => vcl1?.primary() === undefined);
    await vcl3.do('/promote');
  });

  test('without one: VCL3 takes over and names the policy; VCL2 steps down when the link heals', async () => {
    pair = await startPair({ vcl3: { MONITOR: 'on' } });
    const { vcl2, vcl3, link } = pair;
    await vcl2.do('/backups');

    link.cut();
    const failover = await eventually('VCL3 has taken over', () =>
      vcl3.lastOperation('promote', 'done'),
    );
    expect(failover).toMatchObject({ source: 'monitor', result: { fenced: 'unreachable' } });
    const confirm = failover.steps.find(({ name }) => name === 'confirm');
    expect(confirm?.detail).toContain('without a WITNESS_URL our own view decides');
    expect(await vcl2.write('only on VCL2')).toBe(true);
    expect(await vcl3.write('only on VCL3')).toBe(true);

    link.heal();
    await eventually(
      'VCL2 does not serve any more',
      async () => (await vcl2.entries()) === undefined,
      5_000,
    );
    await standsBy(vcl2);

    // What only VCL2 has is kept under a dated name, and counted.
    const setAside = (await vcl2.lastOperation('stand-down'))?.steps.find(
      ({ name }) => name === 'set-aside',
    );
    const [, name = ''] =
      /kept as (ledger_diverged_\d{8}_\d{6}): /.exec(setAside?.detail ?? '') ?? [];
    expect(setAside?.detail).toContain('+1 rows in public.entries');
    await vcl2.database.start();
    expect(await vcl2.database.psql('SELECT text FROM entries', name)).toBe('SEED\nonly on VCL2\n');
    expect(await vcl3.entries()).toEqual(['SEED', 'only on VCL3']);
  });
});
