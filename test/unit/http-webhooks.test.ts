import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  alert,
  alertmanager,
  BETTER_STACK_MONITOR,
  betterStack,
  gatus,
  grafana,
  healthchecks,
  kuma,
  pingdom,
  robot,
} from '../support/checkers.js';
import { DUMP, manifestOf, type Service, startService, TOKENS } from '../support/http.js';
import { planOf } from '../support/plans.js';

let standby: Service;
beforeEach(async () => {
  standby = await startService('standby');
});
afterEach(() => standby.close());

const client = 'webhook' as const;

const giveBackup = async () => {
  const manifest = manifestOf(DUMP);
  await standby.ask('PUT', `/backups/${manifest.id}`, { client: 'peer', body: DUMP });
  await standby.ask('POST', `/backups/${manifest.id}/commit`, { client: 'peer', body: manifest });
};
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
  [
    'better-stack',
    betterStack('started', 'Error 500'),
    'Better Stack: incident of coffee shop started, Error 500',
  ],
  ['healthchecks', healthchecks('down'), 'Healthchecks: coffee shop is down'],
  [
    'grafana',
    grafana(alert('firing'), alert('firing', 'Grafana', 'DatasourceError')),
    'Grafana: CoffeeDown on http://vcl2:3000/coffees is firing',
  ],
  ['pingdom', pingdom('DOWN'), 'Pingdom: coffee shop is DOWN, HTTP Server Error 500'],
  ['gatus', gatus('TRIGGERED'), 'Gatus: coffee/shop triggered'],
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
  ['better-stack', betterStack('resolved', 'Error 500')],
  ['better-stack', betterStack('acknowledged', 'Error 500')],
  ['better-stack', betterStack('started', 'SSL certificate expires in 7 days')],
  ['better-stack', BETTER_STACK_MONITOR],
  ['healthchecks', healthchecks('up')],
  ['healthchecks', healthchecks('down', 'TEST')],
  ['grafana', grafana(alert('resolved'))],
  ['grafana', grafana(alert('firing', 'Grafana', 'TestAlert'))],
  ['grafana', grafana(alert('firing', 'Grafana', 'DatasourceNoData'))],
  ['pingdom', pingdom('UP')],
  ['pingdom', pingdom('FAILING')],
  ['gatus', gatus('RESOLVED')],
] as const;

describe.each(DOWN)('%s says down', (provider, body, reason) => {
  test.each([`/webhooks/${provider}`, '/promote'])('to %s, and a promote begins', async (path) => {
    await giveBackup();
    const asked = { client, headers: { Prefer: 'wait=60' }, ...(body && { body }) };
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
      const { status, body: answer } = await standby.ask('POST', path, { client, body });
      expect(status).toBe(200);
      expect(answer).toEqual({ ignored: true, because: expect.stringMatching(/.+/) });
      expect(standby.node.runner.list()).toEqual([]);
    },
  );
});

test('two webhooks at once are one promote (T27)', async () => {
  await giveBackup();
  const answers = await Promise.all([
    standby.ask('POST', '/webhooks/uptime-kuma', { client, body: kuma(0) }),
    standby.ask('POST', '/webhooks/uptime-kuma', { client, body: kuma(0) }),
  ]);
  expect(answers.map(({ status }) => status)).toEqual([202, 202]);
  expect(answers[0]?.body.id).toBe(answers[1]?.body.id);
  await standby.node.runner.wait(answers[0]?.body.id, 10_000);
  expect(standby.node.runner.list()).toHaveLength(1);
});

test('what has to make way for the promote holds up no answer (T27)', async () => {
  await giveBackup();
  const { runner } = standby.node;
  let makeWay = () => {};
  const deaf = new Promise<undefined>((resolve) => {
    makeWay = () => resolve(undefined);
  });
  await runner.start(
    planOf([{ name: 'stop-database', run: () => deaf }], {
      ...{ kind: 'prepare', reason: 'a backup has come in' },
      isPreemptible: () => true,
    }),
    { source: 'peer' },
  );
  await expect.poll(() => runner.current?.steps).toMatchObject([{ state: 'running' }]);
  const asked = { client, body: kuma(0) };
  for (const _ of ['first', 'again']) {
    const { status, body } = await standby.ask('POST', '/webhooks/uptime-kuma', asked);
    expect(status).toBe(202);
    expect(body).toEqual({ accepted: true, because: expect.stringContaining('has stopped') });
  }
  makeWay();
  await expect
    .poll(() => runner.list().map(({ kind, state }) => `${kind} ${state}`))
    .toEqual(['promote done', expect.stringContaining('prepare')]);
});

test('a node that is primary already ignores it with the reason, so that nobody repeats it', async () => {
  const primary = await startService('primary');
  try {
    const asked = { client, body: kuma(0) };
    const { status, body } = await primary.ask('POST', '/webhooks/uptime-kuma', asked);
    expect(status).toBe(200);
    expect(body).toEqual({ ignored: true, because: expect.stringContaining('primary already') });
  } finally {
    await primary.close();
  }
});

test('during a pause it is ignored with the reason', async () => {
  await giveBackup();
  await standby.ask('POST', '/pause', { client: 'admin', body: { minutes: 5, reason: 'deploy' } });
  const { status, body } = await standby.ask('POST', '/promote', { client });
  expect(status).toBe(200);
  expect(body).toEqual({ ignored: true, because: expect.stringContaining('deploy') });
  expect(standby.node.runner.list()).toEqual([]);
});

test.each(['force', 'planned', 'dryRun'])('%s needs a person', async (option) => {
  await giveBackup();
  for (const value of [true, false]) {
    const { status, body } = await standby.ask('POST', '/promote', {
      client,
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
  ['better-stack', { event: 'started', data: {} }],
  ['healthchecks', { status: 'down' }],
  ['healthchecks', { ...healthchecks('down'), code: '$CODE' }],
  ['grafana', alertmanager(alert('firing'))],
  ['pingdom', { check_id: 4_711, current_state: 'DOWN' }],
  ['gatus', gatus('[ALERT_TRIGGERED_OR_RESOLVED]')],
])('%s does not send %j', async (provider, body) => {
  const asked = { client, ...(body && { body }) };
  const { status, body: answer } = await standby.ask('POST', `/webhooks/${provider}`, asked);
  expect(status).toBe(400);
  expect(answer).toMatchObject({
    code: 'invalid-request',
    detail: `the body is not one that ${provider} sends`,
    remedy: expect.stringMatching(/^send (no body|{")/),
  });
  expect(standby.node.runner.list()).toEqual([]);
});

test('a body of nobody is refused', async () => {
  const { status, body } = await standby.ask('POST', '/promote', {
    client,
    body: { hello: 'world' },
  });
  expect(status).toBe(400);
  expect(body.code).toBe('invalid-request');
});

test('an unknown checker is not found, and those there are are named', async () => {
  const { status, body } = await standby.ask('POST', '/webhooks/nagios', { client });
  expect(status).toBe(404);
  expect(body).toMatchObject({
    code: 'not-found',
    value: 'nagios',
    remedy: expect.stringContaining('/webhooks/uptime-kuma'),
  });
});

/** As axios sends Uptime Kuma's form. */
const multipart = (message: object) => ({
  headers: { 'Content-Type': 'multipart/form-data; boundary=--------------------------058' },
  body: `----------------------------058\r\nContent-Disposition: form-data; name="data"\r\n\r\n${JSON.stringify(message)}\r\n----------------------------058--\r\n`,
});
const query = (fields: Record<string, string>) => `?${new URLSearchParams(fields)}`;
const kumaQuery = (status: number) => {
  const { heartbeat, monitor, msg } = kuma(status);
  return query({ msg, heartbeat: JSON.stringify(heartbeat), monitor: JSON.stringify(monitor) });
};

test.each([
  ['POST', '/webhooks/uptime-kuma', multipart(kuma(0))],
  ['POST', '/promote', multipart(kuma(0))],
  ['GET', `/webhooks/uptime-kuma${kumaQuery(0)}`, {}],
  ['GET', `/webhooks/healthchecks${query(healthchecks('down'))}`, {}],
  ['GET', `/webhooks/generic${query({ event: 'down', monitor: 'coffee shop' })}`, {}],
  [
    'POST',
    '/webhooks/healthchecks',
    {
      body: `${new URLSearchParams(healthchecks('down'))}`,
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    },
  ],
])('%s %s says down without JSON, and a promote begins', async (method, path, asked) => {
  await giveBackup();
  const { status, body: record } = await standby.ask(method, path, { client, ...asked });
  expect(status).toBe(202);
  expect(record.reason).toMatch(/coffee shop/);
  expect((await standby.node.runner.wait(record.id, 10_000))?.state).toBe('done');
});

test.each([
  ['POST', '/webhooks/uptime-kuma', multipart(kuma(1))],
  ['POST', '/webhooks/uptime-kuma', multipart({ heartbeat: null, monitor: null, msg: 'Testing' })],
  ['GET', `/webhooks/uptime-kuma${kumaQuery(1)}`, {}],
  ['GET', `/webhooks/uptime-kuma${query({ msg: 'coffee shop Testing' })}`, {}],
  ['GET', `/webhooks/healthchecks${query(healthchecks('up'))}`, {}],
  ['GET', `/webhooks/healthchecks${query(healthchecks('down', 'TEST'))}`, {}],
])('%s %s says something else without JSON, and is ignored', async (method, path, asked) => {
  await giveBackup();
  const { status, body } = await standby.ask(method, path, { client, ...asked });
  expect(status).toBe(200);
  expect(body).toEqual({ ignored: true, because: expect.stringMatching(/.+/) });
  expect(standby.node.runner.list()).toEqual([]);
});

test.each([
  ['GET', '/webhooks/generic', {}],
  ['GET', '/webhooks/uptime-kuma', {}],
  ['GET', `/webhooks/uptime-kuma${query({ msg: 'Down', heartbeat: '{"status":0' })}`, {}],
  ['GET', '/webhooks/healthchecks', {}],
  ['POST', '/webhooks/uptime-kuma', multipart({ hello: 'world' })],
  ['POST', '/webhooks/uptime-kuma', { ...multipart(kuma(0)), body: 'torn' }],
  ['POST', '/webhooks/pingdom', { body: '{"check_id": 4711' }],
])('%s %s is refused when it is no message of that checker', async (method, path, asked) => {
  await giveBackup();
  const { status, headers, body } = await standby.ask(method, path, { client, ...asked });
  expect(status).toBe(400);
  expect(headers.get('content-type')).toBe('application/problem+json');
  expect(body).toMatchObject({ code: 'invalid-request', remedy: expect.stringMatching(/.+/) });
  expect(standby.node.runner.list()).toEqual([]);
});

test('a HEAD, with which a browser or a chat looks at a link, begins nothing', async () => {
  await giveBackup();
  const path = `/webhooks/uptime-kuma${kumaQuery(0)}`;
  const { status, headers } = await standby.ask('HEAD', path, { client });
  expect(status).toBe(405);
  expect(headers.get('allow')).toBe('POST, GET');
  expect(standby.node.runner.list()).toEqual([]);
});

test('a group of a thousand alerts is not too large', async () => {
  const many = Array.from({ length: 1_000 }, (_, index) => alert('resolved', `target ${index}`));
  const asked = { client, body: alertmanager(...many) };
  const { status, body } = await standby.ask('POST', '/webhooks/alertmanager', asked);
  expect(status).toBe(200);
  expect(body.because).toMatch(/target 2 is resolved and 997 more$/);
});

describe('Pingdom, whose key stands in the URL because it sends no headers', () => {
  const path = `/webhooks/pingdom?token=${TOKENS.webhook}`;
  const spread = () =>
    JSON.stringify([standby.logged, standby.announced, standby.node.runner.list()]);

  test('starts a promote, and the key is in no log and no operation', async () => {
    await giveBackup();
    const body = new TextEncoder().encode(JSON.stringify(pingdom('DOWN')));
    const { status, body: record } = await standby.ask('POST', path, { body });
    expect(status).toBe(202);
    await standby.node.runner.wait(record.id, 10_000);
    expect(JSON.stringify(record)).not.toContain(TOKENS.webhook);
    expect(spread()).not.toContain(TOKENS.webhook);
  });

  test.each([
    ['POST', path, '{"check_id": 4711', 400],
    ['POST', path, '{}', 400],
    ['GET', path, undefined, 400],
    ['DELETE', path, undefined, 405],
    ['POST', path.replace('pingdom', 'nagios'), '{}', 404],
    ['POST', path.replace('/webhooks/', '/hooks/'), '{}', 404],
    ['POST', `${path}x`, '{}', 401],
    ['POST', '/webhooks/pingdom?token=', '{}', 401],
    ['POST', `/backups?token=${TOKENS.webhook}`, '{}', 401],
  ])(
    '%s %s is refused, and the key is in no log and no error',
    async (method, url, body, expected) => {
      const reply = await standby.ask(method, url, body === undefined ? {} : { body });
      expect(reply.status).toBe(expected);
      expect(JSON.stringify([reply.body, [...reply.headers]])).not.toContain(TOKENS.webhook);
      expect(spread()).not.toContain(TOKENS.webhook);
    },
  );
});

test('a GET that is a message leaves a line in the log like any other, without its query', async () => {
  await standby.ask('GET', `/webhooks/healthchecks${query(healthchecks('up'))}`, { client });
  expect(standby.logged).toContainEqual({
    level: 'info',
    message: 'request',
    data: expect.objectContaining({
      method: 'GET',
      path: '/webhooks/healthchecks',
      who: 'webhook',
    }),
  });
});

describe('with WEBHOOK_MONITORS', () => {
  const listing = async (...webhookMonitors: string[]): Promise<void> => {
    await standby.close();
    standby = await startService('standby', { settings: { webhookMonitors } });
    await giveBackup();
  };

  test.each([
    ['uptime-kuma', kuma(0), 'coffee shop'],
    ['uptime-kuma', kuma(0), '3'],
    ['uptimerobot', robot(1), '777'],
    ['better-stack', betterStack('started', 'Error 500'), '4'],
    ['healthchecks', healthchecks('down'), healthchecks('down').code],
    ['alertmanager', alertmanager(alert('firing', 'other'), alert('firing', 'shop')), 'shop'],
    ['grafana', grafana(alert('firing')), '8e9d4b1f7c4d1f2a'],
    ['pingdom', pingdom('DOWN'), '4711'],
    ['gatus', gatus('TRIGGERED'), 'coffee/shop'],
    ['generic', { monitor: 'coffee shop' }, 'coffee shop'],
  ])('%s may start a promote by a name, id or URL that is listed', async (provider, body, name) => {
    await listing('something else', name);
    const asked = { client, body };
    const { status, body: record } = await standby.ask('POST', `/webhooks/${provider}`, asked);
    expect(status).toBe(202);
    expect((await standby.node.runner.wait(record.id, 10_000))?.state).toBe('done');
  });

  test.each([
    ['/webhooks/uptime-kuma', kuma(0), 'does not list coffee shop'],
    ['/promote', betterStack('started', 'Error 500'), 'does not list coffee shop'],
    [
      '/webhooks/alertmanager',
      alertmanager(alert('resolved', 'shop'), alert('firing', 'other')),
      'does not list other',
    ],
    ['/promote', {}, 'does not list a monitor without a name'],
  ])('%s ignores the outage of another monitor', async (path, body, because) => {
    await listing('shop');
    const { status, body: answer } = await standby.ask('POST', path, { client, body });
    expect(status).toBe(200);
    expect(answer).toEqual({ ignored: true, because: expect.stringContaining(because) });
    expect(standby.node.runner.list()).toEqual([]);
  });
});

test('UP is recorded', async () => {
  await standby.ask('POST', '/webhooks/pingdom', { client, body: pingdom('UP') });
  expect(standby.logged).toContainEqual({
    level: 'info',
    message: 'a webhook that starts nothing',
    data: expect.objectContaining({ event: 'up', monitor: 'coffee shop' }),
  });
});
