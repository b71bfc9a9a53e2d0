import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable, Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { freePorts } from '../../scripts/lib/free-port.js';
import { createHttpPeer } from '../../src/drivers/http-peer.js';
import { LIMIT } from '../../src/http/auth-rate-limit.js';
import { LINEAGE } from '../support/fake-node.js';
import { DUMP, manifestOf, type Service, startService, TOKENS } from '../support/http.js';
import { silentPort } from '../support/silent-port.js';

const closers: (() => Promise<unknown>)[] = [];
let heard: number[] = [];
beforeEach(() => {
  heard = [];
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const service = async (...args: Parameters<typeof startService>): Promise<Service> => {
  const started = await startService(...args);
  closers.push(started.close);
  return started;
};

const peerAt = (url: string, more: Partial<Parameters<typeof createHttpPeer>[0]> = {}) =>
  createHttpPeer({
    instance: 'of-the-tests',
    ...{ url, token: TOKENS.peer, node: 'me', statusTimeout: 10_000, epoch: () => 1 },
    onEpoch: async (epoch) => {
      heard.push(epoch);
    },
    ...more,
  });

const of = (content: Buffer): string => createHash('sha256').update(content).digest('hex');

/** Something that listens and is no agent. */
const impostor = async (listener: RequestListener): Promise<string> => {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => {
    server.closeAllConnections();
    await once(server.close(), 'close');
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const send = (peer: ReturnType<typeof peerAt>, content: Readable, bytes = DUMP.length) =>
  peer.upload(manifestOf(DUMP).id, content, { from: 0, bytes }, new AbortController().signal);

describe('two agents', () => {
  test('push a backup, and the sender learns what arrived', async () => {
    const standby = await service('standby');
    const peer = peerAt(standby.url);
    const { bytes, sha256 } = manifestOf(DUMP);
    expect(await send(peer, Readable.from([Buffer.from(DUMP)]))).toEqual({ bytes, sha256 });
    await peer.commit(manifestOf(DUMP));
    expect(await peer.backup(manifestOf(DUMP).id)).toEqual(manifestOf(DUMP));
    expect(await peer.backup('ledger_20010101_000000')).toBeUndefined();
    expect(standby.node.state.current).toMatchObject({ epoch: 1, lineage: LINEAGE });
    await expect(send(peer, Readable.from([Buffer.from(DUMP)]))).rejects.toMatchObject({
      ...{ code: 'peer-refused', value: 'backup-exists' },
      remedy: 'use another id, or use the backup that exists',
    });
  });

  test('fence, rescue and withdraw', async () => {
    const primary = await service('primary');
    const peer = peerAt(primary.url, { epoch: () => 0 });
    // A standby that was never told knows less than the primary, and learns it before it asks for more.
    expect(await peer.status()).toMatchObject({ node: 'vcl2', mode: 'primary', serving: true });
    expect(heard).toEqual([1]);
    const asker = peerAt(primary.url);
    expect(await asker.fence('promote-1', 2)).toMatchObject({ mode: 'yielding' });
    primary.node.peer.upload = async () => ({ bytes: 1, sha256: '' });
    primary.node.peer.commit = async () => {};
    const { id } = await asker.rescue('promote-1');
    await primary.node.runner.wait(id, 10_000);
    expect(await asker.operation(id)).toMatchObject({ id, state: 'done' });
    expect(await asker.operation('never-heard-of')).toBeUndefined();
    expect(await asker.cancel('never-heard-of')).toMatchObject({ state: 'refused' });
    expect(await asker.operation('never-heard-of')).toMatchObject({ state: 'refused' });
  });

  test('ask for a takeover and for a handover', async () => {
    const standby = await service('standby');
    const peer = peerAt(standby.url);
    await send(peer, Readable.from([Buffer.from(DUMP)]));
    await peer.commit(manifestOf(DUMP));
    const record = await peer.takeOver('handover-1', 2, manifestOf(DUMP).id);
    expect(record).toMatchObject({ id: 'handover-1', kind: 'promote' });
    await standby.node.runner.wait(record.id, 10_000);
    const superseding = peerAt(standby.url, { epoch: () => 2 });
    const handover = await superseding.requestHandover('failback');
    expect(handover).toMatchObject({ kind: 'handover', reason: 'failback' });
    await standby.node.runner.wait(handover.id, 10_000);
  });
});

test('a refusal carries the peer’s code and remedy, and teaches the epoch first (H14)', async () => {
  const standby = await service('standby');
  await standby.node.state.apply('heard', 7);
  const peer = peerAt(standby.url);
  await expect(send(peer, Readable.from([Buffer.from(DUMP)]))).rejects.toMatchObject({
    ...{ code: 'peer-refused', value: 'stale-epoch' },
    remedy: expect.stringContaining('stands down by itself'),
  });
  expect(heard).toEqual([7]);
});

test('an epoch that could not be taken in stops what was asked', async () => {
  const standby = await service('standby');
  const onEpoch = async () => {
    throw new Error('the disk is full');
  };
  await expect(peerAt(standby.url, { onEpoch }).status()).rejects.toThrow('the disk is full');
});

test('a wrong key is named, and the epoch of an agent that refuses our key is not believed', async () => {
  const standby = await service('standby');
  await standby.node.state.apply('heard', 99);
  for (const token of ['nonsense', TOKENS.webhook]) {
    await expect(peerAt(standby.url, { token }).status()).rejects.toMatchObject({
      ...{ code: 'peer-refused', remedy: 'PEER_TOKEN must be the same on both nodes' },
    });
  }
  expect(heard).toEqual([]);
});

test('a wrong key is named as one when it has come too often', async () => {
  const standby = await service('standby');
  await standby.node.state.apply('heard', 99);
  const peer = peerAt(standby.url, { token: 'nonsense' });
  const errors = [];
  for (let count = 0; count <= LIMIT; count += 1)
    errors.push(await peer.status().catch((error) => error));
  expect(errors.at(-1)).toMatchObject({
    ...{ code: 'peer-refused', value: 'too-many-attempts' },
    remedy: 'PEER_TOKEN must be the same on both nodes',
  });
  expect(heard).toEqual([]);
});

test('a PEER_URL that leads back to the node itself is no peer', async () => {
  const standby = await service('standby');
  await expect(peerAt(standby.url, { node: 'vcl3' }).status()).rejects.toMatchObject({
    code: 'peer-unreachable',
    message: expect.stringContaining('PEER_URL must lead to the other'),
  });
  expect(heard).toEqual([]);
});

describe('a peer is unreachable that', () => {
  const reason = async (url: string, statusTimeout = 10_000) =>
    peerAt(url, { statusTimeout })
      .status()
      .catch((error) => {
        expect(error).toMatchObject({ code: 'peer-unreachable' });
        expect(JSON.stringify(error) + error.message + error.remedy).not.toContain(TOKENS.peer);
        return String(error.value);
      });

  test('refuses', async () => {
    const [port] = await freePorts(1);
    expect(await reason(`http://127.0.0.1:${port}`)).toContain('refuses');
  });

  test('is silent', async () => {
    const { port, close } = await silentPort();
    closers.push(close);
    expect(await reason(`http://127.0.0.1:${port}`, 300)).toContain('silent');
  });

  test('has no name', async () => {
    // Too long for a name, so nobody outside is asked.
    expect(await reason(`http://${'x'.repeat(70)}.invalid`)).toContain('not known');
  });

  test('accepts and says nothing', async () => {
    expect(await reason(await impostor(() => {}), 300)).toContain('hangs');
  });

  test('begins to answer and never ends', async () => {
    const url = await impostor((_request, response) => response.write('{'));
    expect(await reason(url, 300)).toContain('hangs');
  });

  test('hangs up', async () => {
    const url = await impostor((request) => request.socket.destroy());
    expect(await reason(url)).toContain('broke off');
  });

  test('cuts its answer', async () => {
    const url = await impostor((request, response) => {
      response.writeHead(200, { 'Content-Length': '1000' }).write('{');
      setTimeout(() => request.socket.destroy(), 20);
    });
    expect(await reason(url)).toMatch(/broke off|aborted/);
  });

  test.each([
    [200, 'hello'],
    [200, '{}'],
    [200, '[]'],
    [200, '{"node": 7}'],
    [502, '<html>Bad Gateway</html>'],
    [404, ''],
    [302, ''],
  ])('answers %s %j, which no agent would', async (status, text) => {
    const url = await impostor((_request, response) => response.writeHead(status).end(text));
    expect(await reason(url)).toContain('no agent');
    expect(heard).toEqual([]);
  });
});

describe('an upload', () => {
  const endless = () =>
    new Readable({
      read() {
        this.push(Buffer.alloc(65_536));
      },
    });

  test('stops when the peer refuses in the middle', async () => {
    const standby = await service('standby', { maxBytes: 1_000_000 });
    const content = endless();
    await expect(send(peerAt(standby.url), content, 10_000_000_000)).rejects.toMatchObject({
      ...{ code: 'peer-refused', value: 'too-large' },
    });
    content.destroy();
  });

  test('of a dump that is still being taken has no length yet', async () => {
    const standby = await service('standby');
    const peer = peerAt(standby.url);
    const { id, bytes, sha256 } = manifestOf(DUMP);
    const content = Readable.from([Buffer.from(DUMP)]);
    const extent = { from: 0, bytes: undefined };
    const signal = new AbortController().signal;
    expect(await peer.upload(id, content, extent, signal)).toEqual({ bytes, sha256 });
    await peer.commit(manifestOf(DUMP));
  });

  test('that broke off goes on where it stopped', async () => {
    const standby = await service('standby', { maxBytes: 10_000_000 });
    const peer = peerAt(standby.url);
    const dump = randomBytes(4_000_000);
    const manifest = manifestOf(DUMP, { bytes: dump.length, sha256: of(dump) });
    const broken = new Readable({ read() {} });
    broken.push(dump.subarray(0, 3_000_000));
    const first = send(peer, broken, dump.length);
    setTimeout(() => broken.destroy(new Error('the agent was killed')), 300);
    await expect(first).rejects.toThrow('the agent was killed');

    // A busy machine has not sent all of it by then.
    const from = await vi.waitUntil(() => peer.received(manifest.id));
    expect(from).toBeLessThanOrEqual(3_000_000);
    const rest = Readable.from([dump.subarray(from)]);
    const signal = new AbortController().signal;
    const answer = await peer.upload(manifest.id, rest, { from, bytes: dump.length }, signal);
    expect(answer).toEqual({ bytes: dump.length, sha256: of(dump) });
    await peer.commit(manifest);
    expect(await peer.received(manifest.id)).toBe(0);
  });

  test('stops when it is told to', async () => {
    const standby = await service('standby');
    const stop = new AbortController();
    const content = endless();
    const reason = new Error('preempted');
    setTimeout(() => stop.abort(reason), 100);
    const sending = peerAt(standby.url).upload(
      manifestOf(DUMP).id,
      content,
      { from: 0, bytes: 900_000_000 },
      stop.signal,
    );
    await expect(sending).rejects.toBe(reason);
    content.destroy();
  });

  test('fails as its source does, not as if the peer were gone', async () => {
    const standby = await service('standby');
    const broken = new Error('changed on disk');
    const content = Readable.from(
      (async function* () {
        yield Buffer.from(DUMP.slice(0, 5));
        throw broken;
      })(),
    );
    await expect(send(peerAt(standby.url), content)).rejects.toBe(broken);
    await expect(peerAt(standby.url).commit(manifestOf(DUMP))).rejects.toMatchObject({
      value: 'upload-unknown',
    });
  });

  test.each([-5, 5])('of another length than announced (%i) is our own fault', async (off) => {
    const standby = await service('standby');
    const content = Readable.from([Buffer.from(DUMP)]);
    await expect(send(peerAt(standby.url), content, DUMP.length - off)).rejects.toMatchObject({
      code: 'backup-unusable',
    });
  });

  test('to a peer that dies in the middle is unreachable', async () => {
    const url = await impostor((request) => {
      request.once('data', () => request.socket.destroy());
    });
    const content = endless();
    await expect(send(peerAt(url), content, 10_000_000_000)).rejects.toMatchObject({
      code: 'peer-unreachable',
    });
    content.destroy();
  });

  test('comes in whole, at the pace of the slower side', async () => {
    const standby = await service('standby');
    const bytes = 64 * 1024 * 1024;
    let made = 0;
    let ahead = 0;
    const content = new Readable({
      read() {
        if (made === bytes) return void this.push(null);
        made += 65_536;
        ahead = Math.max(ahead, made - received);
        this.push(Buffer.alloc(65_536, 7));
      },
    });
    let received = 0;
    const { disk } = standby.node;
    const writer = disk.writer;
    disk.writer = async (path) => {
      const file = await writer(path);
      return new Writable({
        write: (chunk: Buffer, _encoding, done) => {
          received += chunk.length;
          file.write(chunk, () => setTimeout(done, 1));
        },
        final: (done) => void file.end(done),
      });
    };
    const answer = await send(peerAt(standby.url), content, bytes);
    expect(answer.bytes).toBe(bytes);
    expect(received).toBe(bytes);
    // Socket buffers of both sides, and no more: nothing is collected in memory.
    expect(ahead).toBeLessThan(16 * 1024 * 1024);
  });
});
