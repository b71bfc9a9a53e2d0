import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import type { ColdspareError } from '../../src/domain/errors.js';
import { connectReplica } from '../../src/drivers/host/replication.js';
import { createHttpPeer } from '../../src/drivers/http-peer.js';
import { openTlsFiles } from '../../src/drivers/tls-files.js';
import { createTunnels } from '../../src/drivers/tunnel/tunnels.js';
import { createAuthority } from '../support/certificates.js';
import { type Service, startService, TOKENS } from '../support/http.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** What PostgreSQL gets as the first packet of a replica. */
const STARTUP = Buffer.from(
  '\0\0\0\x35\0\x03\0\0replication\0true\0user\0coldspare_replication\0\0',
);
const never = new AbortController().signal;

/** Answers each connection with what it sends. */
const echo = async (): Promise<Server> => {
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => server.close());
  return server;
};

/** An agent with a database behind it. */
const primary = async (
  options: Parameters<typeof startService>[1] & { role?: 'primary' | 'standby' } = {},
): Promise<Service> => {
  const database = await echo();
  const { port } = database.address() as { port: number };
  const service = await startService(options.role ?? 'primary', options);
  const directory = await mkdtemp(join(tmpdir(), 'replication-'));
  const { node } = service;
  const beat = { beat: 50, missing: 5, linger: 1_000 };
  const tunnels = createTunnels({ directory, log: node.log, patience: beat });
  Object.assign(node, { tunnels });
  node.stack.openReplication = (signal) => connectReplica({ host: '127.0.0.1', port }, signal);
  closers.push(
    () => rm(directory, { recursive: true }),
    () => service.close(),
    () => tunnels.close(),
  );
  return service;
};

const peerOf = (url: string, more: Partial<Parameters<typeof createHttpPeer>[0]> = {}) =>
  createHttpPeer({
    ...{ url, token: TOKENS.peer, node: 'the-peer', instance: 'of-the-tests' },
    ...{ statusTimeout: 5_000, epoch: () => 1, onEpoch: async () => {} },
    ...more,
  });

/** Opens a connection through the agent at the other end, and says something over it. */
const say = async (remote: Promise<Duplex>, words: string): Promise<string> => {
  const socket = await remote;
  closers.push(() => socket.destroy());
  const frame = (content: Buffer) => {
    const header = Buffer.alloc(4);
    header.writeUInt32BE(content.length);
    return Buffer.concat([header, content]);
  };
  socket.write(frame(STARTUP));
  socket.write(frame(Buffer.from(words)));
  let heard = '';
  while (!heard.includes(words)) heard += String((await once(socket, 'data'))[0]);
  return words;
};

const refused = (service: Service, more: Parameters<typeof peerOf>[1] = {}) =>
  peerOf(service.url, more)
    .openReplication(never)
    .then(
      () => 'opened',
      (error: ColdspareError) => error.value,
    );

describe('GET /replication', () => {
  test('connects the other node with the database', async () => {
    const service = await primary();
    expect(await say(peerOf(service.url).openReplication(never), 'a word')).toBe('a word');
    expect(service.node.tunnels?.account().open).toEqual([
      { since: expect.any(Number), sent: expect.any(Number), received: STARTUP.length + 6 },
    ]);
  });

  test('over TLS, and with the certificates of both', async () => {
    const authority = await createAuthority();
    closers.push(() => authority.remove());
    const credentials = await openTlsFiles(authority.files('vcl2'), Date.now);
    const service = await primary({ credentials });
    const own = await openTlsFiles(authority.files('vcl3'), Date.now);
    expect(
      await say(peerOf(service.url, { credentials: own }).openReplication(never), 'a word'),
    ).toBe('a word');
    const strangers = await createAuthority();
    closers.push(() => strangers.remove());
    const theirs = strangers.files('vcl3');
    const bare = {
      ...own,
      current: {
        ...own.current,
        certificate: await readFile(theirs.cert, 'utf8'),
        key: await readFile(theirs.key, 'utf8'),
      },
    };
    expect(await refused(service, { credentials: bare })).toBe('certificate-needed');
  });

  test('gives nobody a byte without the peer’s key', async () => {
    const service = await primary();
    expect(await refused(service, { token: 'x'.repeat(40) })).toBe('unauthorized');
    expect(await refused(service, { token: TOKENS.admin })).toBe('forbidden');
    expect(service.node.tunnels?.account().open).toEqual([]);
  });

  test('is refused by a standby, to one that is behind, and to a stranger', async () => {
    const standby = await primary({ role: 'standby' });
    expect(await refused(standby)).toBe('not-primary');
    const service = await primary();
    const heard: number[] = [];
    const onEpoch = async (epoch: number) => void heard.push(epoch);
    expect(await refused(service, { epoch: () => 0, onEpoch })).toBe('stale-epoch');
    expect(heard).toEqual([1]);
    service.node.peer.instance = async () => 'another';
    expect(await refused(service)).toBe('not-the-peer');
  });

  test('is refused by one that has heard of its successor, and by one that has lost its state', async () => {
    const overtaken = await primary();
    // Its disk is full, so its role could not be changed.
    Object.defineProperty(overtaken.node.leadership, 'heardEpoch', { value: 2 });
    expect(await refused(overtaken)).toBe('superseded');
    const doubtful = await primary();
    await doubtful.node.leadership.doubt('older');
    expect(await refused(doubtful)).toBe('yielding');
  });

  test('is open while the node yields to a handover: what it has is still the newest', async () => {
    const service = await primary();
    const yielding = {
      operation: 'a',
      epoch: 2,
      cause: 'handover',
      finalBackup: null,
      writes: null,
    };
    await service.node.leadership.handOff(yielding as never);
    expect(await refused(service)).toBe('opened');
  });

  test('says what is missing: REPLICATION=stream, the database, an upgrade', async () => {
    const dump = await startService('primary');
    closers.push(() => dump.close());
    expect(await refused(dump)).toBe('invalid-request');
    const service = await primary();
    service.node.stack.openReplication = (signal) =>
      connectReplica({ host: '127.0.0.1', port: 1 }, signal);
    expect(await refused(service)).toBe('database-unreachable');
    expect(await service.ask('GET', '/replication', { client: 'peer' })).toMatchObject({
      status: 400,
      body: { code: 'invalid-request', remedy: expect.stringContaining('Upgrade: postgresql') },
    });
  });

  test('a database that hangs is given up with the one who asks', async () => {
    const service = await primary();
    const ended = new Promise((resolve) => {
      service.node.stack.openReplication = (signal) =>
        new Promise((_, reject) =>
          signal.addEventListener('abort', () => {
            reject(signal.reason);
            resolve(signal.reason);
          }),
        );
    });
    const impatient = AbortSignal.timeout(200);
    await expect(peerOf(service.url).openReplication(impatient)).rejects.toThrow();
    expect(String(await ended)).toContain('the other side has closed the connection');
  });

  test('open tunnels end with the agent', async () => {
    const service = await primary();
    const socket = await peerOf(service.url).openReplication(never);
    const closed = once(socket.resume(), 'close');
    await service.node.tunnels?.close();
    await closed;
    const next = await peerOf(service.url).openReplication(never);
    const cut = once(next.resume(), 'close');
    await service.close();
    await cut;
    closers.splice(-2, 1);
  });
});

describe('any other request that offers to leave HTTP', () => {
  const raw = async (service: Service, request: string): Promise<string> => {
    const { port } = new URL(service.url);
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(request);
    return text(socket);
  };
  const OFFER =
    'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n';

  test('is answered as if it had not, and so is the next one', async () => {
    const service = await primary();
    const answers = await raw(
      service,
      `GET /primary HTTP/1.1\r\nHost: a\r\n${OFFER}\r\nGET /standby HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    );
    expect(answers).toMatch(
      /^HTTP\/1.1 200 [\s\S]*\{"primary":true\}HTTP\/1.1 503 [\s\S]*\{"standby":false\}$/,
    );
  });

  test('leaves nothing behind on a connection with many of them', async () => {
    const service = await primary();
    const warnings: Error[] = [];
    const warn = (warning: Error) => void warnings.push(warning);
    process.on('warning', warn);
    closers.push(() => process.off('warning', warn));
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1');
    closers.push(() => socket.destroy());
    for (let request = 0; request < 20; request += 1) {
      socket.write(`GET /primary HTTP/1.1\r\nHost: a\r\n${OFFER}\r\n`);
      expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1.1 200 /);
    }
    expect(warnings).toEqual([]);
  });

  test('keeps its body', async () => {
    const service = await primary();
    const body = '{"minutes": 1, "reason": "deploy"}';
    const answer = await raw(
      service,
      `POST /pause HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TOKENS.admin}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n${OFFER}\r\n${body}`.replace(
        'Connection: Upgrade,',
        'Connection: close, Upgrade,',
      ),
    );
    expect(answer).toMatch(/^HTTP\/1.1 200 /);
    expect(service.node.state.current.pause?.reason).toBe('deploy');
  });
});
