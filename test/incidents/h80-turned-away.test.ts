import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  alert,
  alertmanager,
  gatus,
  healthchecks,
  kuma,
  pingdom,
  robot,
} from '../support/checkers.js';
import { DUMP, manifestOf, type Service, startService, TOKENS } from '../support/http.js';

type Body = string | Uint8Array | object;

describe('H80: a checker reports an outage in a form that is not quite right', () => {
  let standby: Service;
  const start = async () => {
    standby = await startService('standby');
    const manifest = manifestOf(DUMP);
    await standby.ask('PUT', `/backups/${manifest.id}`, { client: 'peer', body: DUMP });
    await standby.ask('POST', `/backups/${manifest.id}/commit`, { client: 'peer', body: manifest });
  };

  const client = 'webhook' as const;
  const send = (path: string, body: Body, type = 'application/json') => {
    const bytes =
      typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body);
    // fetch gives a string a Content-Type of its own.
    const sent = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes;
    const headers: Record<string, string> = type === '' ? {} : { 'Content-Type': type };
    return standby.ask('POST', path, { client, headers, body: sent });
  };
  const DOWN = '{"event":"down","monitor":"shop"}';
  const utf16 = (text: string) =>
    Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')]);

  const form = 'application/x-www-form-urlencoded';
  const UP = '{"event":"up","monitor":"shop"}';
  describe('what can be read is read', () => {
    beforeEach(start);
    afterEach(() => standby.close());

    test.each<[string, string, Body, string?]>([
      ['JSON from curl -d', 'generic', DOWN, form],
      ['JSON as text', 'generic', DOWN, 'text/plain'],
      ['JSON as nothing', 'generic', DOWN, ''],
      ['JSON in a charset that nobody knows', 'generic', DOWN, 'application/json; charset=x'],
      ['JSON with a byte order mark', 'generic', `\uFEFF${DOWN}`],
      ['JSON in UTF-16', 'generic', utf16(DOWN)],
      [
        'JSON in Latin-1',
        'generic',
        Buffer.from('{"event":"down","monitor":"caf\xe9"}', 'latin1'),
        'application/json; charset=iso-8859-1',
      ],
      [
        'JSON that is no UTF-8',
        'generic',
        Buffer.from('{"event":"down","monitor":"caf\xe9"}', 'latin1'),
      ],
      ['zipped JSON', 'generic', gzipSync(DOWN)],
      ['a string of JSON', 'generic', JSON.stringify(DOWN)],
      ['a list', 'generic', [{ event: 'down', monitor: 'shop' }]],
      [
        'line breaks in a text',
        'generic',
        '{"event":"down","monitor":"shop","reason":"line 1\r\n\tline 2"}',
      ],
      [
        'quotes in a text',
        'generic',
        '{"event":"down","monitor":"shop","reason":"Get "http://10.0.0.2:3000/": refused"}',
      ],
      ['a comma too many', 'generic', '{"event":"down","monitor":"shop",}'],
      ['a long reason', 'generic', { event: 'down', monitor: 'shop', reason: 'x'.repeat(9_000) }],
      ['numbers and null', 'generic', { event: 'down', monitor: 777, reason: null }],
      [
        'more fields',
        'generic',
        { event: 'down', monitor: 'shop', severity: 1, tags: ['a'], extra: { up: true } },
      ],
      ['a form', 'generic', 'event=down&monitor=shop', form],
      ['a form that is called JSON', 'generic', 'event=down&monitor=shop'],
      [
        'a form of somebody else',
        'generic',
        'Status=Down&StatusCode=0&Name=shop&URL=https://shop.example',
        form,
      ],
      [
        'Uptime Kuma’s own body',
        'uptime-kuma',
        { heartbeat: { status: 0 }, monitor: { name: 'shop' }, msg: 'down' },
        form,
      ],
      [
        'Uptime Kuma’s status as text',
        'uptime-kuma',
        { ...kuma(0), heartbeat: { status: '0' }, monitor: { id: '3' }, msg: 7 },
      ],
      ['Uptime Kuma at the generic one', 'generic', kuma(0)],
      [
        'UptimeRobot with null',
        'uptimerobot',
        { ...robot(1), monitorID: null, alertDetails: 7, monitorURL: undefined },
      ],
      [
        'Better Stack with numbers',
        'better-stack',
        {
          event: 'Started',
          data: { type: 'incident', attributes: { name: 7, cause: 500 }, relationships: [] },
        },
      ],
      ['Healthchecks with a number', 'healthchecks', { ...healthchecks('DOWN'), name: 7 }],
      [
        'Alertmanager with one alert that is odd',
        'alertmanager',
        {
          ...alertmanager(alert('firing')),
          alerts: [7, { status: 'new' }, { ...alert('FIRING'), labels: { n: 7 } }],
        },
      ],
      [
        'Alertmanager with thousands of them',
        'alertmanager',
        alertmanager(...Array.from({ length: 2_000 }, () => alert('firing', 'x'))),
      ],
      [
        'Pingdom with text',
        'pingdom',
        { ...pingdom('down'), check_id: '4711', check_params: null, description: 500 },
      ],
      ['Gatus in small letters', 'gatus', { ...gatus('triggered'), group: null }],
    ])('%s, to %s: a promote begins', async (_what, provider, body, type) => {
      const answer = await send(`/webhooks/${provider}`, body, type);
      expect(answer).toMatchObject({ status: 202, body: { kind: 'promote', source: 'webhook' } });
      expect(answer.body.reason.length).toBeLessThanOrEqual(500);
      await standby.node.runner.wait(answer.body.id, 10_000);
      expect(standby.announced.map(({ event }) => event)).not.toContain('webhook-refused');
    });
  });

  describe('what is no outage starts nothing', () => {
    beforeAll(start);
    afterAll(() => standby.close());

    test.each<[string, Body, string?]>([
      ['up from curl -d', UP, form],
      ['up in a string', JSON.stringify(UP)],
      ['up in UTF-16', utf16(UP)],
      ['up with line breaks', '{"event":"up","reason":"it was\ndown"}'],
      ['up with a quote', '{"event":"up","reason":"no longer "down""}'],
      ['up as a form', 'event=up&monitor=shop', form],
      ['up as a form of somebody else', 'Status=Up&StatusCode=200&Name=shop', form],
      ['up in capitals', { event: 'UP' }],
      ['up with a sign', { event: '✅ Up' }],
      ['recovered', { event: 'Recovered' }],
      ['recovery', { event: 'ALERT_RECOVERY' }],
      ['ok', { state: 'ok', ruleName: 'shop' }],
      ['up, called an alert', { type: 'alert', status: 'up' }],
      [
        'down and then up',
        [
          { event: 'down', monitor: 'shop' },
          { event: 'up', monitor: 'shop' },
        ],
      ],
      ['Uptime Kuma’s up', kuma(1), form],
      ['Uptime Kuma’s test', { heartbeat: null, monitor: null, msg: 'shop Testing' }, form],
      ['UptimeRobot’s up', robot(2)],
      ['UptimeRobot’s up in words', robot('Up')],
      ['a test', { event: 'TEST' }],
      ['a test of a down', { event: 'down', text: 'This is a test message sent from somewhere' }],
      ['a test check', { event: 'down', name: 'TEST' }],
      ['a warning', { event: 'Warn' }],
      ['no data', { event: 'No Data' }],
      ['a degradation', { event: 'ALERT_DEGRADED_FAILURE' }],
      ['an acknowledgement', { event: 'incident.acknowledged' }],
    ])('%s is no outage, and is ignored', async (_what, body, type) => {
      for (const path of ['/webhooks/generic', '/promote']) {
        expect(await send(path, body, type)).toMatchObject({
          status: 200,
          body: { ignored: true },
        });
      }
      expect(standby.node.runner.list()).toEqual([]);
    });

    test.each<[string, Body, string?]>([
      ['an event that nobody knows', { event: 'explode', status: 'down' }],
      ['an event that is empty', { event: '' }],
      ['an event that is a number', { event: 0 }],
      ['a placeholder', { event: '{{status}}', monitor: 'shop' }],
      ['a contradiction', { event: 'down', status: 'up' }],
      ['a state in a number', { status: 0, monitor: 'shop' }],
      ['a negation', { event: 'not down' }],
      ['a sentence', { event: 'The service which was down for three minutes is up again by now' }],
      ['no word of a state', { monitor: 'shop', severity: 'high' }],
      ['null', 'null'],
      ['blanks', ' \r\n '],
      ['an empty list', []],
      ['a list of nothing', [{}]],
      ['text', 'the shop is down', 'text/plain'],
      ['half of it', '{"event":"down","mon'],
      ['a field of the prototype', '{"__proto__":{"event":"down"}}'],
      ['an unknown form', 'hello=world', form],
    ])('%s is unclear, and starts nothing', async (_what, body, type) => {
      for (const path of ['/webhooks/generic', '/promote'])
        expect((await send(path, body, type)).status).toBe(400);
      expect(standby.node.runner.list()).toEqual([]);
    });
  });

  describe('what is refused', () => {
    beforeEach(start);
    afterEach(() => standby.close());

    test('what is refused is logged with what came, and announced once', async () => {
      const secret = 'hunter2-hunter2-hunter2-hunter2-hunter2';
      const body = { condition: secret, [secret]: 1, key: TOKENS.webhook };
      for (let time = 0; time < 3; time += 1) await send('/webhooks/generic', body);
      expect(standby.logged.filter(({ message }) => message.startsWith('a webhook was'))).toEqual(
        Array.from({ length: 3 }, () => ({
          level: 'warn',
          message: 'a webhook was refused: the body is not one that generic sends',
          data: {
            ...{ sender: '/webhooks/generic', code: 'invalid-request' },
            came: expect.stringMatching(/^application\/json, \d+ bytes, fields condition … key$/),
          },
        })),
      );
      expect(standby.announced).toEqual([
        expect.objectContaining({
          ...{ event: 'webhook-refused', severity: 'warning' },
          message: expect.stringContaining('/webhooks/generic'),
          remedy: expect.stringMatching(/^send /),
        }),
      ]);
      const told = JSON.stringify([standby.logged, standby.announced]);
      for (const word of [secret, TOKENS.webhook]) expect(told).not.toContain(word);
    });

    test('each sender is announced for itself, and again when it has been understood since', async () => {
      const events = () =>
        standby.announced.filter(({ event }) => event === 'webhook-refused').length;
      await send('/webhooks/generic', '7');
      await send('/webhooks/pingdom', '7');
      await send('/webhooks/nagios', DOWN);
      await send('/webhooks/icinga', DOWN);
      expect(events()).toBe(3);
      const { clock } = standby.node;
      const elapsed = clock.elapsed.bind(clock);
      clock.elapsed = () => elapsed() + 2 * 60 * 60_000;
      await send('/webhooks/generic', '7');
      expect(events()).toBe(3);
      await send('/webhooks/generic', UP);
      await send('/webhooks/generic', '7');
      expect(events()).toBe(4);
    });

    test('a checker whose key is an old one is announced once, however many strangers come', async () => {
      const { announced, node } = standby;
      const told = () => announced.filter(({ event }) => event === 'webhook-refused');
      for (const path of ['/webhooks/pingdom', '/webhooks/uptime-kuma?token=old', '/webhooks/none'])
        expect((await standby.ask('POST', path, { body: pingdom('DOWN') })).status).toBe(401);
      expect(told()).toMatchObject([{ message: expect.stringContaining('a key is needed') }]);
      await standby.ask('POST', '/promote', { headers: { Authorization: 'Bearer old' } });
      expect(told()).toHaveLength(1);
      const elapsed = node.clock.elapsed.bind(node.clock);
      node.clock.elapsed = () => elapsed() + 2 * 60 * 60_000;
      await send('/webhooks/generic', UP);
      await standby.ask('POST', '/webhooks/generic?token=new', { body: { event: 'down' } });
      expect(told()).toHaveLength(2);
      expect(told()[1]?.message).toContain('this key is not valid here');
    });

    test('a person’s JSON from curl -d, without a Content-Type, is understood as well', async () => {
      const asked = {
        client: 'admin' as const,
        headers: { 'Content-Type': form },
        body: new TextEncoder().encode('{"dryRun": true}'),
      };
      const { status, body } = await standby.ask('POST', '/promote', asked);
      expect(status).toBe(200);
      expect(body.wouldRun).toBeDefined();
      const mistyped = { ...asked, body: new TextEncoder().encode('dryRun=true') };
      expect((await standby.ask('POST', '/promote', mistyped)).status).toBe(400);
    });

    test('a key for repetitions that cannot be used is left out', async () => {
      const headers = { 'Idempotency-Key': 'x'.repeat(300), 'Content-Type': 'application/json' };
      const asked = { client, headers, body: new TextEncoder().encode(DOWN) };
      expect((await standby.ask('POST', '/webhooks/generic', asked)).status).toBe(202);
    });
  });
});
