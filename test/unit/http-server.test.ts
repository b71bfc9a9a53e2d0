import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createApp } from '../../src/http/app.js';
import { createMetrics } from '../../src/http/metrics/metrics.js';
import { type HttpServer, serveHttp } from '../../src/http/server.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';
import { TOKENS } from '../support/http.js';

let fake: FakeNode;
let server: HttpServer;
let url: string;
beforeEach(async () => {
  fake = await createFakeNode('primary');
  const app = createApp({ node: fake.node, tokens: TOKENS, metrics: createMetrics(fake.node) });
  server = await serveHttp(app, { host: '127.0.0.1', port: 0 });
  url = `http://127.0.0.1:${server.port}`;
});
afterEach(() => fake.remove());

const raw = async (request: string): Promise<string> => {
  const socket = connect(server.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(request);
  return text(socket);
};

test('a port that is taken is named, with what to do', async () => {
  const app = createApp({ node: fake.node, tokens: TOKENS, metrics: createMetrics(fake.node) });
  await expect(serveHttp(app, { host: '127.0.0.1', port: server.port })).rejects.toMatchObject({
    message: expect.stringContaining(`127.0.0.1:${server.port}: listen EADDRINUSE`),
    remedy: expect.stringContaining('ss -ltnp'),
  });
  await server.close();
});

test('a stop hangs neither on watchers nor on idle connections', async () => {
  let release = (_why: Error) => {};
  fake.database.dump = () =>
    new Promise((_resolve, reject) => {
      release = reject;
    });
  const headers = { Authorization: `Bearer ${TOKENS.admin}` };
  const started = await fetch(`${url}/backups`, { method: 'POST', headers });
  const { id } = (await started.json()) as { id: string };
  const events = await fetch(`${url}/operations/${id}/events`, { headers });
  const reader = events.body?.getReader();
  await reader?.read();
  const idle = connect(server.port, '127.0.0.1');
  await once(idle, 'connect');
  const closed = once(idle, 'close');
  const began = performance.now();
  await server.close();
  expect(performance.now() - began).toBeLessThan(15_000);
  await closed;
  await expect(
    (async () => {
      while (!(await reader?.read())?.done);
    })(),
  ).rejects.toThrow();
  release(new Error('the test is over'));
});

test('what runs when it stops is answered', async () => {
  const { database } = fake;
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const dump = database.dump.bind(database);
  database.dump = async (...args) => {
    await held;
    return dump(...args);
  };
  const headers = { Authorization: `Bearer ${TOKENS.admin}`, Prefer: 'wait=10' };
  const asked = fetch(`${url}/backups`, { method: 'POST', headers });
  while (fake.node.runner.current === undefined) await new Promise((done) => setTimeout(done, 5));
  const closing = server.close();
  release();
  // The push goes to a peer that is not there; that is an answer too.
  fake.node.clock.sleep = async () => {};
  expect((await asked).status).toBe(502);
  await closing;
});

test('a Host that is none is a problem as every other', async () => {
  const answer = await raw('GET /health HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n');
  expect(answer).toMatch(/^HTTP\/1.1 400 /);
  expect(answer).toContain('application/problem+json');
  expect(answer).toContain('"code":"invalid-request"');
  await server.close();
});

test('what is no HTTP at all is cut, and the next one is served', async () => {
  expect(await raw('\x16\x03\x01 hello\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /);
  expect((await fetch(`${url}/health`)).headers.get('coldspare-node')).toBe('vcl2');
  await server.close();
});
