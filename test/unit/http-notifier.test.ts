import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createHttpNotifier } from '../../src/drivers/http-notifier.js';
import { createPinoLog } from '../../src/drivers/pino-log.js';
import type { Announcement } from '../../src/ports/notifier.js';

let lines: string[];
let received: { request: IncomingMessage; body: unknown }[];
let server: ReturnType<typeof createServer>;
let status = 200;

beforeEach(async () => {
  [lines, received, status] = [[], [], 200];
  server = createServer(async (request, response) => {
    received.push({ request, body: await json(request) });
    if (status > 0) response.writeHead(status).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  server.closeAllConnections();
  await once(server.close(), 'close');
});

const url = (path: string, credentials = '') =>
  `http://${credentials}127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
const notifier = (url: string, ...more: string[]) => notifying([url, ...more], 10_000);
const notifying = (urls: string[], timeout: number) =>
  createHttpNotifier({
    ...{ urls, node: 'vcl3', timeout },
    log: createPinoLog('info', 'vcl3', { write: (line) => void lines.push(line) }),
  });
const announcement: Announcement = {
  event: 'promoted',
  severity: 'critical',
  message: 'vcl3 is the primary',
  remedy: 'GET /operations/x',
};
const until = async (condition: () => boolean) => {
  for (let tries = 0; tries < 200 && !condition(); tries += 1) await sleep(10);
  expect(condition()).toBe(true);
};

test('an announcement reaches every URL, with who says it and when', async () => {
  notifier(url('/a'), url('/b')).announce(announcement);
  await until(() => received.length === 2);
  expect(received.map(({ request }) => request.url).sort()).toEqual(['/a', '/b']);
  for (const { body } of received)
    expect(body).toEqual({ node: 'vcl3', at: expect.any(String), ...announcement });
});

test('credentials go where they belong and into no log', async () => {
  status = 500;
  notifier(url('/hooks/path-key?query-key', 'user:p%40ss@')).announce(announcement);
  await until(() => lines.some((line) => line.includes('not delivered')));
  const expected = `Basic ${Buffer.from('user:p@ss').toString('base64')}`;
  expect(received[0]?.request.headers.authorization).toBe(expected);
  for (const secret of ['user', 'p@ss', 'p%40ss', 'path-key', 'query-key'])
    expect(lines.join()).not.toContain(secret);
  expect(lines.at(-1)).toContain('HTTP 500');
});

test('a channel that hangs is given up on', async () => {
  status = 0;
  const impatient = notifying([url('/')], 200);
  impatient.announce(announcement);
  await until(() => lines.some((line) => line.includes('not delivered')));
});

test.each(['http://127.0.0.1:1/', 'http://', 'nonsense'])(
  '%s is no reason to throw',
  async (bad) => {
    notifier(bad).announce(announcement);
    await until(() => lines.some((line) => line.includes('not delivered')));
  },
);

test('the log hides what is named like a secret, and shows errors with their cause', () => {
  const log = createPinoLog('info', 'vcl3', { write: (line) => void lines.push(line) });
  log.warn({ token: 'hidden-1', request: { headers: { authorization: 'hidden-2' } } }, 'seen');
  log.error({ error: new Error('outer', { cause: new Error('inner') }) }, 'failed');
  expect(lines.join()).not.toContain('hidden');
  expect(JSON.parse(lines[1] ?? '')).toMatchObject({
    ...{ level: 'error', node: 'vcl3', msg: 'failed', time: expect.stringMatching(/^20.*Z$/) },
    error: { message: expect.stringContaining('inner'), stack: expect.any(String) },
  });
});
