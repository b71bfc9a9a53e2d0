import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Service, startService, TOKENS } from '../support/http.js';

let service: Service;
const sockets: Socket[] = [];
beforeAll(async () => {
  service = await startService('standby');
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await service.close();
});

const open = async (): Promise<Socket> => {
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1').on('error', () => {});
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
};

/** What comes back until the server ends the connection, in whatever way. */
const text = async (socket: Socket): Promise<string> => {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  await once(socket, 'close');
  return Buffer.concat(chunks).toString();
};

const raw = async (request: string): Promise<string> => {
  const socket = await open();
  socket.write(request);
  return text(socket);
};

/** Sends one more byte now and then, as long as the connection lasts. */
const drip = (socket: Socket, byte: string): void => {
  const timer = setInterval(() => socket.write(byte), 200);
  socket.once('close', () => clearInterval(timer));
};

const isProblem = (answer: string, status: number, code: string): void => {
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(answer.toLowerCase()).toContain('content-type: application/problem+json');
  expect(answer).toContain(`"code":"${code}"`);
  expect(answer.toLowerCase()).toContain('connection: close');
};

const AUTHORIZED = `Host: a\r\nAuthorization: Bearer ${TOKENS.admin}\r\n`;

describe.concurrent('a client that never comes to an end loses its connection:', () => {
  test('of headers', async () => {
    const socket = await open();
    socket.write('GET /health HTTP/1.1\r\nHost: a\r\nX-Slow: ');
    drip(socket, 'x');
    isProblem(await text(socket), 408, 'too-slow');
  });

  test('who says nothing at all', async () => {
    const socket = await open();
    isProblem(await text(socket), 408, 'too-slow');
  });

  test.each(['GET', 'POST', 'PUT'])('of a body that nobody reads (%s)', async (method) => {
    const socket = await open();
    socket.write(`${method} /health HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n{`);
    drip(socket, ' ');
    expect(await text(socket)).toMatch(/^HTTP\/1.1 (200|405) /);
  });

  test('of the body of a command', async () => {
    const socket = await open();
    const headers = 'Content-Type: application/json\r\nContent-Length: 1000\r\n';
    socket.write(`POST /pause HTTP/1.1\r\n${AUTHORIZED}${headers}\r\n{`);
    drip(socket, ' ');
    const answer = await text(socket);
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(answer).toContain('"code":"upload-torn"');
  });

  test('who is done, and keeps the connection', async () => {
    const socket = await open();
    socket.write('GET /health HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(await text(socket)).toMatch(/^HTTP\/1.1 200 /);
  });
});

describe('what never becomes a request is answered as a problem:', () => {
  test.each([
    ['headers without an end', `GET / HTTP/1.1\r\n${`X: ${'x'.repeat(1_000)}\r\n`.repeat(20)}`],
    ['a URL without an end', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`],
  ])('%s', async (_what, request) => isProblem(await raw(request), 431, 'header-too-large'));

  test.each([
    ['no method', 'HELLO\r\n\r\n'],
    ['a header with a null byte', 'GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n'],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    [
      'a length and chunks',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    ],
  ])('%s', async (_what, request) => isProblem(await raw(request), 400, 'invalid-request'));

  test('more headers than anybody needs', async () => {
    const many = 'X: y\r\n'.repeat(100);
    const answer = await raw(`GET /health HTTP/1.1\r\nHost: a\r\n${many}Connection: close\r\n\r\n`);
    isProblem(answer, 431, 'header-too-large');
  });

  test('a command without a Host', async () => {
    const answer = await raw('POST /pause HTTP/1.1\r\nConnection: close\r\n\r\n');
    isProblem(answer, 400, 'invalid-request');
  });

  test('chunks that are none, in the middle of a command', async () => {
    const headers = 'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n';
    const answer = await raw(`POST /pause HTTP/1.1\r\n${AUTHORIZED}${headers}\r\nzz\r\n`);
    isProblem(answer, 400, 'invalid-request');
    expect(service.node.state.current.pause).toBeNull();
  });

  test('an expectation that nobody knows is passed over', async () => {
    const answer = await raw(
      `GET /status HTTP/1.1\r\n${AUTHORIZED}Expect: a-miracle\r\nConnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
  });
});

test('who holds a thousand connections keeps neither the operator nor the peer out, nor cuts them', async () => {
  const upload = await open();
  const ask = async () => {
    upload.write(`GET /status HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TOKENS.peer}\r\n\r\n`);
    await once(upload, 'data');
  };
  const flood: Socket[] = [];
  for (let count = 0; count < 1_000; count += 1) {
    // A connection on which nothing is asked for some seconds is closed, whoever has it.
    if (count % 50 === 0) await ask();
    const socket = await open();
    socket.write('GET /health HTTP/1.1\r\nX-Slow: ');
    flood.push(socket);
  }
  expect((await service.ask('GET', '/status', { client: 'admin' })).status).toBe(200);
  await expect.poll(() => flood.filter((socket) => !socket.closed).length).toBeLessThanOrEqual(512);
  upload.write(`GET /status HTTP/1.1\r\n${AUTHORIZED}\r\n`);
  expect(String((await once(upload, 'data'))[0])).toMatch(/^HTTP\/1.1 200 /);
});
