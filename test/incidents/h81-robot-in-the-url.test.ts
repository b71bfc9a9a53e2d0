import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { robot } from '../support/checkers.js';
import { DUMP, manifestOf, type Service, startService, TOKENS } from '../support/http.js';

describe('H81: UptimeRobot sends what it sends by default, in the URL', () => {
  let standby: Service;
  beforeEach(async () => {
    standby = await startService('standby');
    const manifest = manifestOf(DUMP);
    await standby.ask('PUT', `/backups/${manifest.id}`, { client: 'peer', body: DUMP });
    await standby.ask('POST', `/backups/${manifest.id}/commit`, { client: 'peer', body: manifest });
  });
  afterEach(() => standby.close());

  const fields = (alertType: number) => {
    const alertTypeFriendlyName = alertType === 1 ? 'Down' : 'Up';
    return `${new URLSearchParams({ ...robot(''), alertType: `${alertType}`, alertTypeFriendlyName })}`;
  };
  const token = `token=${TOKENS.webhook}`;
  const bytes = (text: string) => new TextEncoder().encode(text);
  const type = { 'Content-Type': 'application/x-www-form-urlencoded' };

  const WAYS: [string, string, (alertType: number) => [path: string, asked?: object]][] = [
    ['as a query', 'POST', (n) => [`?${token}&${fields(n)}`]],
    ['before the key', 'POST', (n) => [`?${fields(n)}&${token}`]],
    ['by GET', 'GET', (n) => [`?${token}&${fields(n)}`]],
    ['after a second question mark', 'POST', (n) => [`?${token}?${fields(n)}`]],
    ['right behind the key', 'POST', (n) => [`?${token}${fields(n)}`]],
    ['as a form', 'POST', (n) => [`?${token}`, { headers: type, body: bytes(fields(n)) }]],
    ['as a form without a type', 'POST', (n) => [`?${token}`, { body: bytes(fields(n)) }]],
    ['as a query with an empty JSON', 'POST', (n) => [`?${token}&${fields(n)}`, { body: {} }]],
  ];

  test.each(WAYS)('%s: down starts a promote, and up does not', async (_what, method, asking) => {
    for (const path of ['/webhooks/uptimerobot', '/webhooks/generic']) {
      const [query, asked] = asking(2);
      const up = await standby.ask(method, path + query, asked);
      expect(up).toMatchObject({ status: 200, body: { ignored: true } });
    }
    expect(standby.node.runner.list()).toEqual([]);
    const [query, asked] = asking(1);
    const down = await standby.ask(method, `/webhooks/uptimerobot${query}`, asked);
    expect(down.status).toBe(202);
    expect(down.body.reason).toContain('Connection Timeout');
    expect(JSON.stringify([standby.logged, standby.announced])).not.toContain(TOKENS.webhook);
  });

  test.each([
    ['an up', 'event=up', 200],
    ['a state that nobody knows', 'status=maybe', 400],
    ['a text', 'msg=shop+is+UP', 400],
    ['a test', 'message=a+test+message', 200],
    ['an up in a wrapper', 'payload=%7B%22status%22%3A%22up%22%7D', 200],
    ['an up beside a down in the body', 'event=up', 200, { event: 'down' }],
    ['a name beside what cannot be read', 'monitor=shop', 400, { hello: 'world' }],
  ])('%s in the query is never taken for a down', async (_what, query, status, body?: object) => {
    const path = `/webhooks/generic?${token}&${query}`;
    expect((await standby.ask('POST', path, body && { body })).status).toBe(status);
    expect(standby.node.runner.list()).toEqual([]);
  });

  test.each(['', '&from=cron', '&monitor=shop'])(
    'without a body and with "%s" a POST is a down',
    async (query) => {
      expect((await standby.ask('POST', `/webhooks/generic?${token}${query}`)).status).toBe(202);
    },
  );

  test.each(['', '&monitor=shop'])(
    'a GET that says no state ("%s"), as from a browser, is none',
    async (query) => {
      expect((await standby.ask('GET', `/webhooks/generic?${token}${query}`)).status).toBe(400);
    },
  );
});
