import { afterEach, expect, test } from 'vitest';
import { eventually, type Pair, serves, startPair, TOKENS } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

describePostgres('H10: a deploy stops the app for longer than three failed checks', () => {
  let pair: Pair;
  afterEach(() => pair?.remove());

  test('paused, nothing happens; not paused, VCL3 takes over with every write', async () => {
    pair = await startPair({ vcl3: { MONITOR: 'on', FAIL_THRESHOLD: '3' } });
    const { vcl2, vcl3 } = pair;
    await vcl2.do('/backups', { reason: '25 minutes before the deploy' });
    await vcl2.write('after the last backup');

    const paused = await vcl3.agent.post('/pause', { minutes: 10, reason: 'deploy' });
    expect(paused.status).toBe(200);
    const before = await vcl3.lastOperation('promote');
    await vcl2.breakApp();
    await failedChecks(6);
    expect(await vcl3.agent.status()).toMatchObject({ mode: 'standby', operation: null });
    expect(await vcl3.lastOperation('promote')).toEqual(before);
    expect((await vcl3.run('/promote')).body).toMatchObject({ code: 'paused' });

    // The same, and nobody has said that it is a deploy. VCL2's agent answers, so a last dump is taken.
    await vcl3.agent.call('DELETE', '/pause', { token: TOKENS.admin });
    const failover = await eventually('VCL3 has taken over', () =>
      vcl3.lastOperation('promote', 'done'),
    );
    expect(failover).toMatchObject({
      source: 'monitor',
      result: { fenced: 'fenced', loss: expect.stringContaining('nothing is lost') },
    });
    await serves(vcl3);
    expect(await vcl3.entries()).toEqual(['SEED', 'after the last backup']);
  });

  /** Until VCL3 has seen so often that VCL2 does not serve. */
  const failedChecks = async (count: number): Promise<void> => {
    const { vcl2, vcl3 } = pair;
    const seen = new Set<string | null>();
    await eventually(`${count} checks have failed`, async () => {
      expect((await vcl2.agent.get('/primary')).status).toBe(503);
      seen.add((await vcl3.agent.status()).peer.checkedAt);
      return seen.size > count;
    });
  };
});
