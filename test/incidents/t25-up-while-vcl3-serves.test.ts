import { afterEach, expect, test } from 'vitest';
import { eventually, type Pair, serves, startPair, TOKENS } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

/** What a checker of the load balancer says as soon as VCL3 answers its users. */
const UP = [
  [
    '/webhooks/uptime-kuma',
    { heartbeat: { status: 1 }, monitor: { name: 'shop' }, msg: '[shop] Up' },
  ],
  ['/webhooks/uptimerobot', { alertType: 2, monitorFriendlyName: 'shop' }],
  ['/webhooks/generic', { event: 'up', monitor: 'shop' }],
  ['/promote', { event: 'up', monitor: 'shop' }],
] as const;

describePostgres('T25: the checker watches VCL1 and reports UP because VCL3 serves', () => {
  let pair: Pair;
  afterEach(() => pair?.remove());

  test('UP gives nothing back; what VCL3 sees of VCL2 does', async () => {
    pair = await startPair({ env: { FAILBACK: 'auto', FAILBACK_STABLE: '1s' } });
    const { vcl2, vcl3 } = pair;
    await vcl2.write('an order');
    await vcl2.run('/backups');
    await vcl2.losePower();
    await vcl3.run('/promote');
    await vcl3.write('during the outage');

    for (const [path, body] of UP) {
      const token = TOKENS.webhook;
      const { status, body: answer } = await vcl3.agent.call('POST', path, { token, body });
      expect(status).toBe(200);
      expect(answer).toEqual({ ignored: true, because: expect.stringMatching(/./) });
    }
    // Longer than a failback would wait, were it one.
    await eventually('VCL3 has looked again for a while', async () => {
      const { peer, since } = await vcl3.agent.status();
      return Date.parse(peer.checkedAt ?? '') - Date.parse(since) > 5_000;
    });
    expect(await vcl3.lastOperation('handover')).toBeUndefined();
    expect(await vcl3.entries()).toEqual(['SEED', 'an order', 'during the outage']);

    await vcl2.agent.start();
    await serves(vcl2);
    // VCL2 serves before VCL3 has stopped its database and ended the handover.
    const failback = await eventually('VCL3 has ended it', () => vcl3.lastOperation('handover'));
    expect(failback).toMatchObject({ state: 'done', source: 'failback' });
    expect(await vcl2.entries()).toEqual(['SEED', 'an order', 'during the outage']);
  });
});
