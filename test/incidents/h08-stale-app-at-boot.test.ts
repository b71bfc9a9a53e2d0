import { afterEach, expect, test } from 'vitest';
import type { LoadBalancer } from '../../scripts/demo-story/load-balancer.js';
import { startLoadBalancer } from '../support/load-balancer.js';
import { eventually, type Pair, standsBy, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

describePostgres('H08: VCL2 reboots, and a restart policy starts its stale app', () => {
  let pair: Pair;
  let vcl1: LoadBalancer;
  afterEach(async () => {
    await vcl1?.close();
    await pair?.remove();
  });

  const seenByUsers = async (): Promise<string> => (await fetch(vcl1.url)).text();

  test('VCL2 is never taken for the primary, and its agent stops that app, every time', async () => {
    pair = await startPair({ vcl2: { ALONE_GRACE: '1h' } });
    vcl1 = await startLoadBalancer(pair);
    const { vcl2, vcl3 } = pair;
    await vcl2.do('/backups');
    await vcl2.losePower();
    await vcl3.do('/promote');
    await vcl3.write('during the outage');
    await eventually('VCL1 has found VCL3', async () => vcl1.primary() === 'vcl3');

    await vcl2.startByOthers();
    expect(await vcl2.write('on the stale copy')).toBe(true);
    expect(await seenByUsers()).toContain('during the outage');

    // Its agent, which was the primary's, cannot ask yet: until then it vouches for nobody's app.
    pair.link.cut();
    await vcl2.agent.start();
    await eventually('its agent sees the app', async () => (await vcl2.agent.status()).app.answers);
    expect((await vcl2.agent.get('/primary')).status).toBe(503);
    expect(await seenByUsers()).toContain('during the outage');

    pair.link.heal();
    await eventually('the stale app is stopped', async () => (await vcl2.entries()) === undefined);
    await standsBy(vcl2);
    // It asked its peer before anything else, and that was all it did as a primary.
    const asked = await vcl2.lastOperation('boot');
    expect(asked?.steps.map(({ name }) => name)).toEqual(['ask-peer']);
    expect(await seenByUsers()).toContain('during the outage');

    // Somebody starts it again, on a standby whose agent is at work.
    await vcl2.database.start();
    await vcl2.database.psql('CREATE DATABASE ledger');
    await vcl2.startAppByOthers();
    await eventually('the guard has seen it', async () => {
      const boot = await vcl2.lastOperation('boot', 'done');
      return boot?.reason === 'the app was started by somebody else';
    });
    expect(await vcl2.entries()).toBeUndefined();
    expect(await vcl2.agent.status()).toMatchObject({ mode: 'standby', serving: false });
    expect(await vcl3.entries()).toEqual(['SEED', 'during the outage']);
    expect(await seenByUsers()).toContain('during the outage');
  });
});
