import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, expect, test } from 'vitest';
import { Refused } from '../../src/domain/errors.js';
import { Framer, Unframer } from '../../src/drivers/tunnel/frames.js';
import { join, type Patience } from '../../src/drivers/tunnel/join.js';
import { StartupGate } from '../../src/drivers/tunnel/startup.js';
import { createTunnels } from '../../src/drivers/tunnel/tunnels.js';
import type { Tunnels } from '../../src/ports/tunnels.js';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const SHORT: Patience = { beat: 20, missing: 5, linger: 5_000 };

/** Two ends of a real connection. */
const connection = async (): Promise<[Socket, Socket]> => {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [far] = (await once(server, 'connection')) as [Socket];
  server.close();
  for (const socket of [near, far]) socket.on('error', () => {});
  closers.push(() => [near, far].forEach((socket) => void socket.destroy()));
  return [near, far];
};

/** PostgreSQL's client and its server with a tunnel between them. */
const tunnel = async (patience = SHORT) => {
  const [client, clientEnd] = await connection();
  const [standby, primary] = await connection();
  const [serverEnd, server] = await connection();
  const ends = [
    join({ remote: standby, local: clientEnd }, patience),
    join({ remote: primary, local: serverEnd }, patience),
  ] as const;
  return { client, server, standby, primary, ends };
};

test('what was sent before the end arrives, in both directions', async () => {
  const { client, server, ends } = await tunnel();
  const content = Buffer.alloc(5_000_000, 'a page of the database ');
  client.write('START_REPLICATION');
  expect(String((await once(server, 'data'))[0])).toBe('START_REPLICATION');
  // It still sends what the server does not read any more: no reset may take the rest away.
  client.write('a status');
  server.end(content);
  const received = await buffer(client);
  expect(received.equals(content)).toBe(true);
  client.end();
  server.resume();
  await Promise.all(ends.map(({ closed }) => closed));
  expect(ends[0]).toMatchObject({ received: content.length, sent: 25 });
  expect(ends[1]).toMatchObject({ received: 25, sent: content.length });
});

test('a client that breaks off ends the session of the server', async () => {
  const { client, server, ends } = await tunnel();
  server.write('WAL');
  await once(client, 'data');
  client.resetAndDestroy();
  server.resume();
  await once(server, 'end');
  server.end();
  await Promise.all(ends.map(({ closed }) => closed));
});

test('one side that hangs, or is cut off without a word, is given up by the other', async () => {
  const [local, postgres] = await connection();
  const [remote] = await connection();
  const { closed } = join({ remote, local }, SHORT);
  postgres.write('WAL that nobody acknowledges');
  postgres.resume();
  await once(postgres, 'end');
  postgres.end();
  await closed;
});

test('heartbeats keep a connection that has nothing to carry', async () => {
  const { client, server, ends } = await tunnel();
  let isClosed = false;
  for (const { closed } of ends) void closed.then(() => (isClosed = true));
  // Three times as long as a silence may last.
  for (let beats = 0; beats < 15; beats += 1) await new Promise((go) => setTimeout(go, SHORT.beat));
  expect(isClosed).toBe(false);
  client.destroy();
  server.destroy();
  await Promise.all(ends.map(({ closed }) => closed));
});

/** The most bytes that a TCP connection of this machine has under way. */
const heldByKernel = async (): Promise<number> => {
  const limits = ['tcp_rmem', 'tcp_wmem'].map(async (name) => {
    const text = await readFile(`/proc/sys/net/ipv4/${name}`, 'utf8');
    return Number(text.trim().split(/\s+/).at(-1));
  });
  const [receiver = 0, sender = 0] = await Promise.all(limits);
  return receiver + sender;
};

test('a client that does not read makes the server wait, and is no reason to end', async () => {
  const { client, server, ends } = await tunnel();
  const chunk = Buffer.alloc(64 * 1024);
  let written = 0;
  // Until nothing has gone on for twice as long as a silence may last.
  for (let stalled = 0; stalled < 10; ) {
    if (server.writableLength > chunk.length) stalled += 1;
    else {
      server.write(chunk);
      written += chunk.length;
      stalled = 0;
    }
    await new Promise((go) =>
      setTimeout(go, server.writableLength > chunk.length ? SHORT.beat : 0),
    );
  }
  // What the kernel holds of each connection is left to it. In here are the buffers of a few streams.
  const most = (await heldByKernel()) + 2_000_000;
  expect(written - ends[1].sent).toBeLessThan(most);
  expect(ends[1].sent - ends[0].received).toBeLessThan(most);
  const all = buffer(client);
  server.end();
  expect((await all).length).toBe(written);
  client.end();
  await Promise.all(ends.map(({ closed }) => closed));
});

test('frames are read whatever pieces they come in', async () => {
  const framer = new Framer();
  framer.write('first');
  framer.beat();
  framer.end('second');
  const bytes = await buffer(framer);
  for (const size of [1, 2, 3, 4, 5, bytes.length]) {
    const unframer = new Unframer();
    for (let at = 0; at < bytes.length; at += size) unframer.write(bytes.subarray(at, at + size));
    unframer.end();
    expect(String(await buffer(unframer))).toBe('firstsecond');
  }
});

test('what is no frame ends the tunnel', async () => {
  const [local, postgres] = await connection();
  const [remote, other] = await connection();
  const { closed } = join({ remote, local }, SHORT);
  other.write('HTTP/1.1 200 OK\r\n\r\n');
  other.resume();
  postgres.on('end', () => postgres.end()).resume();
  await closed;
});

/** The first packet of a connection, as libpq sends it. */
const startup = (parameters: Record<string, string>, version = 0x0003_0000): Buffer => {
  const body = Object.entries(parameters).flatMap(([name, value]) => [name, '\0', value, '\0']);
  const packet = Buffer.from(`\0\0\0\0\0\0\0\0${body.join('')}\0`);
  packet.writeInt32BE(packet.length);
  packet.writeInt32BE(version, 4);
  return packet;
};

const ROLE = 'coldspare_replication';

const pass = (bytes: Buffer, size = bytes.length): Promise<Buffer> => {
  const gate = new StartupGate();
  for (let at = 0; at < bytes.length; at += size) gate.write(bytes.subarray(at, at + size));
  gate.end();
  return buffer(gate);
};

test.each([1, 7, 1_000])(
  'physical replication goes through, in pieces of %i bytes',
  async (size) => {
    const bytes = Buffer.concat([
      startup({ user: ROLE, replication: 'true', application_name: 'replication' }),
      Buffer.from('p\0\0\0\x08key\0'),
    ]);
    expect((await pass(bytes, size)).equals(bytes)).toBe(true);
  },
);

/** A packet that names `replication` twice. */
const startupWithTwo = (first: string, second: string): Buffer => {
  const packet = Buffer.concat([
    startup({ user: ROLE, replication: first }).subarray(0, -1),
    Buffer.from(`replication\0${second}\0\0`),
  ]);
  packet.writeInt32BE(packet.length);
  return packet;
};

test.each<[what: string, bytes: Buffer]>([
  ['a session for SQL', startup({ user: 'postgres', database: 'ledger' })],
  ['a logical replica, which takes SQL', startup({ user: ROLE, replication: 'database' })],
  ['a replica as a superuser', startup({ user: 'postgres', replication: 'true' })],
  ['a name that is only a value', startup({ user: 'replication', true: 'true' })],
  ['a second answer', startupWithTwo('true', 'database')],
  ['a cancellation', startup({}, 80_877_102)],
  ['a request for TLS', startup({}, 80_877_103)],
  ['an endless packet', Buffer.alloc(20_000, 'x')],
  ['a length below any packet', Buffer.from('\0\0\0\x03abcdefgh')],
])('%s does not go through', async (_what, bytes) => {
  await expect(pass(bytes)).rejects.toMatchObject({ code: 'forbidden' });
});

const silent = { info() {}, warn() {}, error() {} };

const socketIn = async (patience = SHORT): Promise<{ tunnels: Tunnels; path: string }> => {
  const root = await mkdtemp(joinPath(tmpdir(), 'tunnel-'));
  const directory = joinPath(root, 'socket');
  const tunnels = createTunnels({ directory, log: silent, patience });
  closers.push(
    () => rm(root, { recursive: true }),
    () => tunnels.close(),
  );
  return { tunnels, path: joinPath(directory, '.s.PGSQL.5432') };
};

test('PostgreSQL is told why the other node refuses', async () => {
  const { tunnels, path } = await socketIn();
  await tunnels.listen(async () => {
    throw new Refused('not-primary', 'vcl3 is a standby', 'look at GET /status');
  });
  const client = connect(path);
  client.write(startup({ user: ROLE, replication: 'true' }));
  const answer = await buffer(client);
  expect(answer.readInt32BE(1)).toBe(answer.length - 1);
  expect(String(answer)).toContain(
    'FATAL\0C08006\0Mcoldspare: vcl3 is a standby\0Hlook at GET /status\0\0',
  );
});

test('there are eight places, and one that was left is free again', async () => {
  const { tunnels, path } = await socketIn({ ...SHORT, beat: 60_000 });
  const far: Socket[] = [];
  await tunnels.listen(async () => {
    const [near, other] = await connection();
    far.push(other);
    return near;
  });
  const clients = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const client = connect(path);
      await once(client, 'connect');
      return client;
    }),
  );
  await expect.poll(() => tunnels.account().open.length).toBe(8);
  expect(String(await buffer(connect(path)))).toContain('8 replication connections are open');
  const [first] = clients;
  first?.end();
  for (const socket of far) socket.on('end', () => socket.end()).resume();
  await expect.poll(() => tunnels.account().open.length).toBe(7);
  const next = connect(path);
  await expect.poll(() => tunnels.account().open.length).toBe(8);
  next.destroy();
});

test('a dial that hangs ends with the client, and with the agent', async () => {
  const { tunnels, path } = await socketIn();
  const ended: unknown[] = [];
  await tunnels.listen(
    (signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          ended.push(signal.reason);
          reject(signal.reason);
        });
      }),
  );
  const impatient = connect(path);
  await once(impatient, 'connect');
  impatient.destroy();
  await expect.poll(() => ended.length).toBe(1);
  const patient = connect(path);
  await once(patient, 'connect');
  const closed = once(patient, 'close');
  await new Promise((go) => setTimeout(go, SHORT.beat));
  await tunnels.close();
  await closed;
  expect(ended.map(String)).toEqual([
    'Error: PostgreSQL has closed its connection',
    'Error: the agent stops',
  ]);
});

test('the socket is only for who may enter its directory', async () => {
  const { tunnels, path } = await socketIn();
  await tunnels.listen(async () => (await connection())[0]);
  expect((await stat(joinPath(path, '..'))).mode & 0o777).toBe(0o700);
  const other = createTunnels({ directory: tmpdir(), log: silent });
  await expect(other.listen(async () => (await connection())[0])).rejects.toMatchObject({
    code: 'invalid-request',
    remedy: `chmod o-rwx ${tmpdir()}`,
  });
  const twin = createTunnels({ directory: joinPath(path, '..'), log: silent });
  await expect(twin.listen(async () => (await connection())[0])).rejects.toMatchObject({
    code: 'busy',
  });
});

test('containers get a folder with nothing but the socket, and nobody else of this machine gets there', async () => {
  const root = await mkdtemp(joinPath(tmpdir(), 'tunnel-'));
  const directory = joinPath(root, 'socket');
  const tunnels = createTunnels({ directory, shared: 'containers', log: silent });
  closers.push(
    () => rm(root, { recursive: true }),
    () => tunnels.close(),
  );
  const [near, far] = await connection();
  await tunnels.listen(async () => near);
  expect((await stat(directory)).mode & 0o777).toBe(0o700);
  const folder = joinPath(directory, 'containers');
  expect((await stat(folder)).mode & 0o777).toBe(0o755);
  expect(await readdir(folder)).toEqual(['.s.PGSQL.5432']);
  const client = connect(joinPath(folder, '.s.PGSQL.5432'));
  client.write(startup({ user: ROLE, replication: 'true' }));
  expect((await once(far, 'data'))[0].length).toBeGreaterThan(0);
  client.destroy();
});
