import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Pair, startPair, TOKENS } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

const kuma = (monitor: object | null, msg: string) => ({ heartbeat: null, monitor, msg });
const grafana = (alertname: string) => ({
  ...{ receiver: 'test', status: 'firing', state: 'alerting', orgId: 1, version: '1' },
  ...{ groupKey: 'test-57c6d9296de2ad39-1795375800', title: `[FIRING:1] ${alertname} Grafana` },
  alerts: [
    {
      status: 'firing',
      labels: { alertname, instance: 'Grafana' },
      fingerprint: '57c6d9296de2ad39',
    },
  ],
});

const NOT_AN_OUTAGE = [
  ['the test button of Uptime Kuma', kuma(null, 'shop Testing')],
  [
    'a certificate that expires, by Uptime Kuma',
    kuma({ id: 3, name: 'shop' }, '[shop] certificate will expire in 7 days'),
  ],
  [
    'a monitor of Uptime Kuma that is paused',
    { ...kuma({ name: 'shop' }, ''), heartbeat: { status: 3 } },
  ],
  ['a certificate that expires, by UptimeRobot', { alertType: '3', monitorFriendlyName: 'shop' }],
  ['the test button of Grafana', grafana('TestAlert')],
  ['a test in the generic form', { event: 'test', monitor: 'shop' }],
] as const;

describePostgres('T26: somebody tries the webhook while VCL2 happens to be down', () => {
  let pair: Pair;
  beforeAll(async () => {
    pair = await startPair();
    const { vcl2 } = pair;
    await vcl2.run('/backups');
    // A report of an outage would be confirmed, and believed.
    await vcl2.breakApp();
  });
  afterAll(() => pair?.remove());

  const post = (body: object) =>
    pair.vcl3.agent.call('POST', '/promote', { token: TOKENS.webhook, body });

  test.each(NOT_AN_OUTAGE)('%s is ignored, with the reason', async (_, body) => {
    const { vcl3 } = pair;
    const answer = await post(body);
    expect(answer).toMatchObject({
      status: 200,
      body: { ignored: true, because: expect.stringMatching(/Kuma|Robot|Grafana|shop/) },
    });
    expect(await vcl3.agent.status()).toMatchObject({ mode: 'standby', operation: null });
    expect(await vcl3.lastOperation('promote')).toBeUndefined();
  });

  test('the real thing is not', async () => {
    const { status } = await post({
      ...kuma({ name: 'shop' }, '[shop] Down'),
      heartbeat: { status: 0 },
    });
    expect(status).toBe(202);
  });
});
