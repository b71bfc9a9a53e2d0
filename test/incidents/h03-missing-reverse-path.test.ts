import { afterEach, expect, test } from 'vitest';
import { eventually, type Pair, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

describePostgres('H03: VCL3 was never enabled to reach VCL2', () => {
  let pair: Pair;
  afterEach(() => pair?.remove());

  const reachability = async () => {
    const [two, three] = await Promise.all([pair.vcl2.agent.status(), pair.vcl3.agent.status()]);
    return { two: two.peer, three: three.peer };
  };

  test('the way back is missing: /status of VCL3 says so while all backups still arrive', async () => {
    pair = await startPair();
    const { vcl2, vcl3, link } = pair;
    link.toVcl2.agent.cut();

    await eventually('VCL3 says so', async () => !(await reachability()).three.reachable);
    await vcl2.do('/backups');
    const { two, three } = await reachability();
    expect(two).toMatchObject({ reachable: true, role: 'standby', error: null });
    expect(three).toMatchObject({ reachable: false, error: expect.stringContaining('hangs') });

    // Nobody had to wait for a failback: it is asked again and again.
    await eventually('VCL3 has asked once more', async () => {
      const { checkedAt } = (await reachability()).three;
      return checkedAt !== three.checkedAt;
    });

    const preflight = await vcl3.agent.post('/promote', { dryRun: true, planned: true });
    expect(preflight.body).toMatchObject({
      peer: expect.stringContaining('its agent does not answer'),
    });

    link.toVcl2.agent.heal();
    await eventually('VCL3 sees it mended', async () => (await reachability()).three.reachable);
  });

  test('the key is missing: both nodes say so', async () => {
    pair = await startPair({ vcl3: { PEER_TOKEN: 'another-token-of-somebody-0123456789abc' } });

    await eventually('both say so', async () => {
      const { two, three } = await reachability();
      return [two, three].every(({ error }) => error?.includes('refused'));
    });
    expect(await reachability()).toMatchObject({
      two: { reachable: false },
      three: { reachable: false },
    });
  });
});
