import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DUMP, manifestOf, type Service, startService } from '../support/http.js';

let standby: Service;
beforeEach(async () => {
  standby = await startService('standby');
});
afterEach(() => standby.close());

const door = 'webhook' as const;

const giveBackup = async () => {
  const manifest = manifestOf(DUMP);
  await standby.ask('PUT', `/backups/${manifest.id}`, { door: 'peer', body: DUMP });
  await standby.ask('POST', `/backups/${manifest.id}/commit`, { door: 'peer', body: manifest });
};
const kuma = (status: number) => ({
  heartbeat: { monitorID: 3, status, time: '2026-11-22 19:30:00.000', msg: 'timeout of 48000ms' },
  monitor: { id: 3, name: 'coffee shop', url: 'http://vcl2:3000/coffees', type: 'http' },
  msg: '[coffee shop] [🔴 Down] timeout of 48000ms',
});
const robot = (alertType: number | string) => ({
  ...{ monitorID: '777', monitorURL: 'http://vcl2:3000/coffees', alertType },
  ...{ monitorFriendlyName: 'coffee shop', alertDetails: 'Connection Timeout' },
});
const alert = (status: string, instance = 'http://vcl2:3000/coffees') => ({
  ...{ status, labels: { alertname: 'CoffeeDown', instance, severity: 'critical' } },
  ...{ annotations: {}, startsAt: '2026-11-22T19:30:00Z', endsAt: '0001-01-01T00:00:00Z' },
  ...{ generatorURL: 'http://prometheus:9090/graph', fingerprint: '8e9d4b1f7c4d1f2a' },
});
const alertmanager = (...alerts: ReturnType<typeof alert>[]) => ({
  ...{ version: '4', groupKey: '{}:{alertname="CoffeeDown"}', truncatedAlerts: 0 },
  ...{ status: alerts.some(({ status }) => status === 'firing') ? 'firing' : 'resolved' },
  ...{ receiver: 'coldspare', groupLabels: { alertname: 'CoffeeDown' }, commonLabels: {} },
  ...{ commonAnnotations: {}, externalURL: 'http://alertmanager:9093', alerts },
});

const DOWN = [
  ['generic', undefined, 'a webhook says down'],
  ['generic', { event: 'down', monitor: 'coffee shop' }, 'coffee shop says down'],
  ['generic', { reason: 'it burns' }, 'it burns'],
  ['uptime-kuma', kuma(0), 'Uptime Kuma: [coffee shop] [🔴 Down] timeout of 48000ms'],
  ['uptimerobot', robot(1), 'UptimeRobot: alert type 1, Connection Timeout'],
  ['uptimerobot', robot('1'), 'UptimeRobot: alert type 1, Connection Timeout'],
  [
    'alertmanager',
    alertmanager(alert('resolved', 'other'), alert('firing')),
    'Alertmanager: CoffeeDown on http://vcl2:3000/coffees is firing',
  ],
] as const;

const NOT_DOWN = [
  ['generic', { event: 'up', monitor: 'coffee shop' }],
  ['generic', { event: 'test' }],
  ['uptime-kuma', kuma(1)],
  ['uptime-kuma', kuma(2)],
  ['uptime-kuma', kuma(3)],
  ['uptime-kuma', { heartbeat: null, monitor: null, msg: 'Testing' }],
  ['uptime-kuma', { ...kuma(0), heartbeat: null, msg: 'certificate will expire in 7 days' }],
  ['uptimerobot', robot(2)],
  ['uptimerobot', robot(3)],
  ['alertmanager', alertmanager(alert('resolved'))],
] as const;

describe.each(DOWN)('%s says down', (provider, body, reason) => {
  test.each([`/webhooks/${provider}`, '/promote'])('to %s, and a promote begins', async (path) => {
    await giveBackup();
    const asked = { door, headers: { Prefer: 'wait=60' }, ...(body && { body }) };
    const { status, headers, body: record } = await standby.ask('POST', path, asked);
    // Even a checker that would wait is answered while it runs (T27).
    expect(status).toBe(202);
    expect(record).toMatchObject({ kind: 'promote', source: 'webhook', state: 'running', reason });
    expect(headers.get('location')).toBe(`/operations/${record.id}`);
    expect((await standby.node.runner.wait(record.id, 10_000))?.state).toBe('done');
  });
});

describe.each(NOT_DOWN)('%s says something else: %j', (provider, body) => {
  test.each([`/webhooks/${provider}`, '/promote'])(
    'to %s, and it is ignored (T25, T26)',
    async (path) => {
      await giveBackup();
      const { status, body: answer } = await standby.ask('POST', path, { door, body });
      expect(status).toBe(200);
      expect(answer).toEqual({ ignored: true, because: expect.stringMatching(/.+/) });
      expect(standby.node.runner.list()).toEqual([]);
    },
  );
});

test('two webhooks at once are one promote (T27)', async () => {
  await giveBackup();
  const answers = await Promise.all([
    standby.ask('POST', '/webhooks/uptime-kuma', { door, body: kuma(0) }),
    standby.ask('POST', '/webhooks/uptime-kuma', { door, body: kuma(0) }),
  ]);
  expect(answers.map(({ status }) => status)).toEqual([202, 202]);
  expect(answers[0]?.body.id).toBe(answers[1]?.body.id);
  await standby.node.runner.wait(answers[0]?.body.id, 10_000);
  expect(standby.node.runner.list()).toHaveLength(1);
});

test('a node that is primary already ignores it with the reason, so that nobody repeats it', async () => {
  const primary = await startService('primary');
  try {
    const asked = { door, body: kuma(0) };
    const { status, body } = await primary.ask('POST', '/webhooks/uptime-kuma', asked);
    expect(status).toBe(200);
    expect(body).toEqual({ ignored: true, because: expect.stringContaining('primary already') });
  } finally {
    await primary.close();
  }
});

test('during a pause it is ignored with the reason', async () => {
  await giveBackup();
  await standby.ask('POST', '/pause', { door: 'admin', body: { minutes: 5, reason: 'deploy' } });
  const { status, body } = await standby.ask('POST', '/promote', { door });
  expect(status).toBe(200);
  expect(body).toEqual({ ignored: true, because: expect.stringContaining('deploy') });
  expect(standby.node.runner.list()).toEqual([]);
});

test.each(['force', 'planned', 'dryRun'])('%s needs a person', async (option) => {
  await giveBackup();
  for (const value of [true, false]) {
    const { status, body } = await standby.ask('POST', '/promote', {
      door,
      body: { [option]: value },
    });
    expect(status).toBe(403);
    expect(body).toMatchObject({ code: 'forbidden', value: option });
  }
  expect(standby.node.runner.list()).toEqual([]);
});

test.each([
  ['generic', { event: 'sideways' }],
  ['generic', { force: true }],
  ['uptime-kuma', robot(1)],
  ['uptimerobot', kuma(0)],
  ['alertmanager', { alerts: [] }],
  ['alertmanager', undefined],
])('%s does not send %j', async (provider, body) => {
  const asked = { door, ...(body && { body }) };
  const { status, body: answer } = await standby.ask('POST', `/webhooks/${provider}`, asked);
  expect(status).toBe(400);
  expect(answer).toMatchObject({
    code: 'invalid-request',
    detail: `the body is not one that ${provider} sends`,
  });
  expect(standby.node.runner.list()).toEqual([]);
});

test('a body of nobody is refused', async () => {
  const { status, body } = await standby.ask('POST', '/promote', {
    door,
    body: { hello: 'world' },
  });
  expect(status).toBe(400);
  expect(body.code).toBe('invalid-request');
});

test('an unknown checker is not found, and those there are are named', async () => {
  const { status, body } = await standby.ask('POST', '/webhooks/nagios', { door });
  expect(status).toBe(404);
  expect(body).toMatchObject({
    code: 'not-found',
    value: 'nagios',
    remedy: expect.stringContaining('/webhooks/uptime-kuma'),
  });
});
