import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { freePorts } from '../../scripts/lib/free-port.js';
import { createHttpProbe } from '../../src/drivers/http-probe.js';
import { isHealthy } from '../../src/ports/probe.js';
import { silentPort } from '../support/silent-port.js';

const probe = createHttpProbe();
/** Milliseconds: enough on a busy machine for whoever answers, and little for whoever never does. */
const PATIENCE = 10_000;
const TIMEOUT = 300;

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await once(server.close(), 'close');
});

const listening = async (server: Server): Promise<number> => {
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
};
const serve = async (listener: RequestListener) =>
  `http://127.0.0.1:${await listening(createServer(listener))}/`;

test.each([200, 204, 404, 500, 503])('an answer of %i is an answer', async (status) => {
  const url = await serve((_request, response) => response.writeHead(status).end());
  expect(await probe.get(url, PATIENCE)).toEqual({ outcome: 'answers', status });
});

test('a redirect is not followed: where it leads is not what was asked', async () => {
  let asked = 0;
  const url = await serve((_request, response) => {
    asked += 1;
    response.writeHead(302, { Location: '/elsewhere' }).end();
  });
  expect(await probe.get(url, PATIENCE)).toEqual({ outcome: 'answers', status: 302 });
  expect(asked).toBe(1);
});

test('the Host and the answers that the app wants (H50)', async () => {
  const url = await serve((request, response) =>
    response.writeHead(request.headers.host === 'shop.example' ? 302 : 400).end(),
  );
  const check = {
    host: 'shop.example',
    statuses: [
      [200, 299],
      [302, 302],
    ] as [number, number][],
  };
  const result = await probe.get(url, PATIENCE, check);
  expect(result).toMatchObject({ status: 302, isExpected: true });
  expect(isHealthy(result)).toBe(true);
  expect(isHealthy(await createHttpProbe(check).get(url, PATIENCE))).toBe(true);
  expect(await probe.get(url, PATIENCE, { statuses: [[200, 299]] })).toMatchObject({
    status: 400,
    isExpected: false,
  });
});

test('an answer with an endless body is an answer', async () => {
  const url = await serve((_request, response) => {
    response.writeHead(200).write('and so on');
  });
  expect(await probe.get(url, PATIENCE)).toEqual({ outcome: 'answers', status: 200 });
});

test('nothing listens: the machine is there', async () => {
  const [port] = await freePorts(1);
  expect(await probe.get(`http://127.0.0.1:${port}/`, PATIENCE)).toEqual({
    outcome: 'refuses',
    detail: 'ECONNREFUSED',
  });
  expect(await probe.get(`http://localhost:${port}/`, PATIENCE)).toMatchObject({
    outcome: 'refuses',
  });
});

test('a hung app is given up on in time (H20)', async () => {
  const url = await serve(() => {});
  const began = performance.now();
  expect(await probe.get(url, TIMEOUT)).toMatchObject({ outcome: 'hangs' });
  expect(performance.now() - began).toBeLessThan(PATIENCE);
});

test('a TLS handshake that never ends hangs', async () => {
  const port = await listening(createTcpServer((socket) => socket.resume()));
  const result = await probe.get(`https://127.0.0.1:${port}/`, TIMEOUT);
  expect(result).toMatchObject({ outcome: 'hangs' });
});

test.each([
  ['hangs up', (socket: import('node:net').Socket) => socket.destroy()],
  ['speaks no HTTP', (socket: import('node:net').Socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n')],
])('what %s is there, and breaks (H40)', async (_what, act) => {
  const port = await listening(
    createTcpServer((socket) => void socket.once('data', () => act(socket))),
  );
  expect(await probe.get(`http://127.0.0.1:${port}/`, PATIENCE)).toMatchObject({
    outcome: 'breaks',
  });
});

test('plain HTTP where TLS is expected breaks', async () => {
  const url = (await serve((_request, response) => response.end())).replace('http:', 'https:');
  expect(await probe.get(url, PATIENCE)).toMatchObject({ outcome: 'breaks' });
});

test('a machine behind a cut link is silent', async () => {
  const { port, close } = await silentPort();
  expect(await probe.get(`http://127.0.0.1:${port}/`, TIMEOUT)).toMatchObject({
    outcome: 'silent',
  });
  await close();
});

// The name is too long for one, so nobody outside is asked.
test.each([
  `http://${'x'.repeat(70)}.invalid/`,
  'not a URL',
  'ftp://127.0.0.1/',
  'http://127.0.0.1:99999/',
])('%s is silent and never thrown', async (url) => {
  expect(await probe.get(url, PATIENCE)).toMatchObject({ outcome: 'silent' });
});
