import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Service, startService } from '../support/http.js';

describe('H84: a load balancer of one’s own checks in its own way', () => {
  let primary: Service;
  let standby: Service;
  beforeAll(async () => {
    primary = await startService('primary');
    standby = await startService('standby');
  });
  afterAll(async () => {
    await primary.close();
    await standby.close();
  });

  const raw = async ({ url }: Service, request: string): Promise<string> => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    await once(socket, 'connect');
    socket.write(request);
    return text(socket);
  };

  test.each([
    ['HAProxy and Nagios, without a Host', (path: string) => `GET ${path} HTTP/1.0\r\n\r\n`],
    [
      'HTTP/1.1 without a Host',
      (path: string) => `GET ${path} HTTP/1.1\r\nConnection: close\r\n\r\n`,
    ],
    ['OPTIONS, as HAProxy asks by default', (path: string) => `OPTIONS ${path} HTTP/1.0\r\n\r\n`],
    ['HEAD', (path: string) => `HEAD ${path} HTTP/1.0\r\n\r\n`],
    ['a slash at the end', (path: string) => `GET ${path}/ HTTP/1.0\r\n\r\n`],
    ['a query', (path: string) => `GET ${path}?vcl2 HTTP/1.0\r\n\r\n`],
    ['a Host that is only a name', (path: string) => `GET ${path} HTTP/1.0\r\nHost: x_1\r\n\r\n`],
    [
      'an address of its own',
      (path: string) => `GET http://vcl1${path} HTTP/1.0\r\nHost: vcl1\r\n\r\n`,
    ],
    [
      'a key that it does not need',
      (path: string) => `GET ${path} HTTP/1.0\r\nAuthorization: Basic eDp5\r\n\r\n`,
    ],
  ])('%s: the answer is that of a GET', async (_what, request) => {
    expect(await raw(primary, request('/primary'))).toMatch(/^HTTP\/1\.1 200 /);
    expect(await raw(standby, request('/primary'))).toMatch(/^HTTP\/1\.1 503 /);
    expect(await raw(standby, request('/standby'))).toMatch(/^HTTP\/1\.1 200 /);
    expect(await raw(primary, request('/standby'))).toMatch(/^HTTP\/1\.1 503 /);
    expect(await raw(primary, request('/health'))).toMatch(
      /^HTTP\/1\.1 (200|503) .*\r\n(.*\r\n)*coldspare-node: vcl2\r\n/i,
    );
  });

  test('a slash at the end is taken at every route', async () => {
    expect((await standby.ask('GET', '/status/', { client: 'admin' })).status).toBe(200);
    const up = { client: 'webhook' as const, body: { event: 'up' } };
    expect((await standby.ask('POST', '/webhooks/generic/', up)).body.ignored).toBe(true);
  });

  test.each(['POST', 'PUT', 'DELETE'])('%s asks for nothing that there is', async (method) => {
    expect((await primary.ask(method, '/primary')).status).toBe(405);
  });
});
