import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROUTES } from '../../src/http/app.js';
import { type Client, type Service, startService, TOKENS } from '../support/http.js';

let service: Service;
beforeAll(async () => {
  service = await startService('standby');
  // So many wrong keys at once would be told to wait.
  let minutes = 0;
  service.node.clock.elapsed = () => {
    minutes += 1;
    return minutes * 60_000;
  };
});
afterAll(() => service.close());

const CLIENTS = Object.keys(TOKENS) as Client[];
const concrete = (path: string) =>
  path
    .replace(':id', 'ledger_20261122_120000')
    .replace(':provider', 'generic')
    .replace(':file', 'main.js');

const cases = ROUTES.map((route) => ({ ...route, path: concrete(route.path) }));
const locked = cases.filter(({ clients }) => clients.length > 0);

describe.each(locked)('$method $path', ({ method, path, clients }) => {
  test('a request without a key is refused', async () => {
    const { status, body, headers } = await service.ask(method, path);
    expect(status).toBe(401);
    expect(body).toMatchObject({ code: 'unauthorized', status: 401 });
    expect(headers.get('content-type')).toBe('application/problem+json');
    expect(headers.get('www-authenticate')).toBe('Bearer realm="coldspare"');
  });

  test.each([
    ['unknown', 'Bearer an-unknown-key-0123456789abcdefghij'],
    ['empty', 'Bearer '],
    ['cut', `Bearer ${TOKENS.admin.slice(0, -1)}`],
    ['longer', `Bearer ${TOKENS.admin}x`],
    ['of another scheme', `Basic ${TOKENS.admin}`],
    ['bare', TOKENS.admin],
  ])('a key that is %s is refused', async (_what, Authorization) => {
    const { status } = await service.ask(method, path, { headers: { Authorization } });
    expect(status).toBe(401);
  });

  test.each(CLIENTS.filter((client) => !clients.includes(client)))(
    'the %s key is not accepted',
    async (client) => {
      const { status, body } = await service.ask(method, path, { client });
      expect(status).toBe(403);
      expect(body).toMatchObject({ code: 'forbidden', value: client });
    },
  );

  test.each([...clients])('the %s key is accepted', async (client) => {
    const { status } = await service.ask(method, path, { client });
    expect([401, 403]).not.toContain(status);
  });
});

test.each(cases.filter(({ clients }) => clients.length === 0))(
  '$method $path needs no key and takes any',
  async ({ method, path }) => {
    const headers = { Authorization: 'Bearer nonsense' };
    expect([200, 503]).toContain((await service.ask(method, path, { headers })).status);
  },
);

test('a checker that cannot set headers brings its key in the query, which reaches no log', async () => {
  const path = `/webhooks/generic?token=${TOKENS.webhook}`;
  const { status, body } = await service.ask('POST', path, { body: { event: 'up' } });
  expect(status).toBe(200);
  expect(body).toEqual({ ignored: true, because: 'a webhook says up' });
  expect(service.logged).toContainEqual({
    level: 'info',
    message: 'request',
    data: expect.objectContaining({ path: '/webhooks/generic', status: 200, who: 'webhook' }),
  });
  expect(JSON.stringify(service.logged)).not.toContain(TOKENS.webhook);
});

test.each(['admin', 'peer'] as const)('the %s key does not work in a query', async (client) => {
  expect((await service.ask('POST', `/promote?token=${TOKENS[client]}`)).status).toBe(401);
  expect((await service.ask('GET', `/status?token=${TOKENS[client]}`)).status).toBe(401);
});

test('the webhook key in a query is accepted by webhooks only', async () => {
  expect((await service.ask('GET', `/status?token=${TOKENS.webhook}`)).status).toBe(401);
});
