import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkSignature } from '../../src/http/webhook-signature.js';
import { alert, grafana, kuma } from '../support/checkers.js';
import { DUMP, manifestOf, type Service, startService } from '../support/http.js';

/** The secret of the example that every library of Standard Webhooks is tested with. */
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const client = 'webhook' as const;

let standby: Service;
beforeEach(async () => {
  standby = await startService('standby', { settings: { webhookSigningSecret: SECRET } });
  const manifest = manifestOf(DUMP);
  await standby.ask('PUT', `/backups/${manifest.id}`, { client: 'peer', body: DUMP });
  await standby.ask('POST', `/backups/${manifest.id}/commit`, { client: 'peer', body: manifest });
});
afterEach(() => standby.close());

const MINUTE = 60;
/** Unix time in seconds, some seconds from now. */
const at = (offset = 0) => String(Math.floor(Date.now() / 1_000) + offset);

const standard = (body: string, { id = 'msg_1', time = at(), secret = SECRET } = {}) => {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const digest = createHmac('sha256', key).update(`${id}.${time}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': `v1,${digest}` };
};
const byGrafana = (body: string, time?: string, secret = SECRET) => ({
  'X-Grafana-Alerting-Signature': createHmac('sha256', secret)
    .update(time === undefined ? body : `${time}:${body}`)
    .digest('hex'),
  ...(time !== undefined && { 'X-Grafana-Alerting-Timestamp': time }),
});

const DOWN = JSON.stringify({ event: 'down', monitor: 'coffee shop' });
const FIRING = JSON.stringify(grafana(alert('firing')));
const OTHER = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx';

test("the signature of the standard's own example is right", () => {
  const headers: Record<string, string> = {
    'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  };
  const signed = {
    header: (name: string) => headers[name],
    bytes: Buffer.from('{"test": 2432232314}'),
  };
  const soon = 1_614_265_330_000 + 1_000;
  expect(() => checkSignature(signed, SECRET, soon)).not.toThrow();
  expect(() => checkSignature(signed, OTHER, soon)).toThrow('does not match this message');
});

describe('what is signed starts a promote', () => {
  const old = 'v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=';
  test.each([
    ['/webhooks/generic', DOWN, standard(DOWN)],
    ['/promote', DOWN, standard(DOWN)],
    ['/webhooks/generic', '', standard('')],
    ['/webhooks/generic', DOWN, standard(DOWN, { time: at(-4 * MINUTE) })],
    ['/webhooks/generic', DOWN, standard(DOWN, { time: at(4 * MINUTE) })],
    [
      '/webhooks/generic',
      DOWN,
      { ...standard(DOWN), 'webhook-signature': `${old} ${standard(DOWN)['webhook-signature']}` },
    ],
    ['/webhooks/grafana', FIRING, byGrafana(FIRING)],
    ['/webhooks/grafana', FIRING, byGrafana(FIRING, at())],
    ['/promote', FIRING, byGrafana(FIRING, at())],
  ])('%s %s %j', async (path, body, headers) => {
    const { status, body: record } = await standby.ask('POST', path, { client, headers, body });
    expect(status).toBe(202);
    expect((await standby.node.runner.wait(record.id, 10_000))?.state).toBe('done');
  });
});

describe('what is not, starts nothing, although its key is right', () => {
  test.each([
    ['nothing is signed', DOWN, {}],
    ['another secret', DOWN, standard(DOWN, { secret: OTHER })],
    ['another body', DOWN, standard(DOWN.replace('coffee', 'tea'))],
    ['another id', DOWN, { ...standard(DOWN), 'webhook-id': 'msg_2' }],
    ['another time', DOWN, { ...standard(DOWN), 'webhook-timestamp': at(-1) }],
    ['no time', DOWN, { ...standard(DOWN, { time: '' }), 'webhook-timestamp': '' }],
    ['a time that is no number', DOWN, standard(DOWN, { time: '1e9' })],
    ['recorded six minutes ago', DOWN, standard(DOWN, { time: at(-6 * MINUTE) })],
    ['six minutes ahead', DOWN, standard(DOWN, { time: at(6 * MINUTE) })],
    ['an empty signature', DOWN, { ...standard(DOWN), 'webhook-signature': 'v1,' }],
    ['of another version', DOWN, { ...standard(DOWN), 'webhook-signature': 'v2,AAAA' }],
    ['Grafana with another secret', FIRING, byGrafana(FIRING, undefined, OTHER)],
    ['Grafana with another body', FIRING, byGrafana(`${FIRING} `)],
    [
      'Grafana without its timestamp',
      FIRING,
      { ...byGrafana(FIRING, at()), 'X-Grafana-Alerting-Timestamp': '1' },
    ],
    ['Grafana, recorded six minutes ago', FIRING, byGrafana(FIRING, at(-6 * MINUTE))],
    ['Grafana with half a signature', FIRING, { 'X-Grafana-Alerting-Signature': 'ab' }],
  ])('%s', async (_what, body, headers) => {
    for (const path of ['/webhooks/generic', '/webhooks/grafana', '/promote']) {
      const { status, body: problem } = await standby.ask('POST', path, { client, headers, body });
      expect(status).toBe(401);
      expect(problem).toMatchObject({
        code: 'unauthorized',
        remedy: expect.stringContaining('WEBHOOK_SIGNING_SECRET'),
      });
      expect(JSON.stringify([problem, standby.logged])).not.toContain(SECRET);
    }
    expect(standby.node.runner.list()).toEqual([]);
  });

  test('a GET, whose query no signature covers', async () => {
    const { heartbeat, msg } = kuma(0);
    const query = new URLSearchParams({ msg, heartbeat: JSON.stringify(heartbeat) });
    const path = `/webhooks/uptime-kuma?${query}`;
    for (const headers of [{}, standard(''), byGrafana('')]) {
      expect((await standby.ask('GET', path, { client, headers })).status).toBe(401);
    }
    expect(standby.node.runner.list()).toEqual([]);
  });

  test('a signature does not take the place of the key', async () => {
    const headers = standard(DOWN);
    const { status } = await standby.ask('POST', '/webhooks/generic', { headers, body: DOWN });
    expect(status).toBe(401);
  });
});

test('a message that is played again is the operation that it was, whatever key is added', async () => {
  const headers = standard(DOWN);
  const send = (more: object = {}) =>
    standby.ask('POST', '/promote', { client, headers: { ...headers, ...more }, body: DOWN });
  const first = await send();
  expect((await standby.node.runner.wait(first.body.id, 10_000))?.state).toBe('done');
  for (const more of [{}, { 'Idempotency-Key': 'another' }]) {
    const again = await send(more);
    expect(again.status).toBe(202);
    expect(again.body).toMatchObject({ id: first.body.id, state: 'done' });
  }
  expect(standby.node.runner.list()).toHaveLength(1);
});

test('a person needs no signature', async () => {
  const { status } = await standby.ask('POST', '/promote', { client: 'admin' });
  expect(status).toBe(202);
});
