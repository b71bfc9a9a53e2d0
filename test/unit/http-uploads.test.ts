import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LINEAGE } from '../support/fake-node.js';
import { DUMP, manifestOf, type Service, startService, TOKENS } from '../support/http.js';

const ID = manifestOf(DUMP).id;
const LIMIT = 100_000;

let service: Service;
beforeEach(async () => {
  service = await startService('standby', { maxBytes: LIMIT });
});
afterEach(() => service.close());

const put = (body: string | Uint8Array = DUMP, id = ID, headers: Record<string, string> = {}) =>
  service.ask('PUT', `/backups/${id}`, { client: 'peer', body, headers });
const commit = (manifest = manifestOf(DUMP), headers: Record<string, string> = {}) =>
  service.ask('POST', `/backups/${manifest.id}/commit`, {
    client: 'peer',
    body: manifest,
    headers,
  });
/** Without the marker of the folder. */
const filesOf = async ({ directory }: Service) =>
  (await readdir(join(directory, 'backups'))).filter((name) => !name.startsWith('.'));
const nothingIsLeft = async () => {
  // What a vanished sender leaves is removed by us, but not before it has vanished.
  for (let tries = 0; tries < 100 && (await filesOf(service)).length > 0; tries += 1)
    await sleep(20);
  expect(await filesOf(service)).toEqual([]);
  expect(service.node.backups.list()).toEqual([]);
  const { body } = await service.ask('GET', '/backups', { client: 'admin' });
  expect(body).toEqual({ backups: [], quarantined: [] });
};

/** A PUT over a bare socket, so that it can be cut anywhere. */
const openSocket = async (head: string[]) => {
  const { port } = new URL(service.url);
  const socket = connect(Number(port), '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  const lines = [`PUT /backups/${ID} HTTP/1.1`, 'Host: vcl3', ...head];
  socket.write(`${[...lines, `Authorization: Bearer ${TOKENS.peer}`].join('\r\n')}\r\n\r\n`);
  return socket;
};
const partAppears = async () => {
  for (let tries = 0; tries < 200 && (await filesOf(service)).length === 0; tries += 1)
    await sleep(10);
  expect(await filesOf(service)).toHaveLength(1);
};

describe('a backup', () => {
  test('exists from its commit on, and not before (H05)', async () => {
    const sent = await put();
    expect(sent.status).toBe(201);
    const { bytes, sha256 } = manifestOf(DUMP);
    expect(sent.body).toEqual({ id: ID, bytes, sha256 });
    expect((await service.ask('GET', `/backups/${ID}`, { client: 'peer' })).status).toBe(404);

    const committed = await commit();
    expect(committed.status).toBe(201);
    expect(committed.headers.get('location')).toBe(`/backups/${ID}`);
    expect((await service.ask('GET', `/backups/${ID}`, { client: 'peer' })).body).toEqual(
      manifestOf(DUMP),
    );
    expect(service.node.state.current.lineage).toBe(LINEAGE);
  });

  test('is committed twice when the first answer was lost', async () => {
    await put();
    await commit();
    expect((await commit()).status).toBe(200);
  });

  test('is never overwritten', async () => {
    await put();
    await commit();
    const again = await put('{"public.entries": 0}');
    expect(again.status).toBe(409);
    expect(again.body).toMatchObject({ code: 'backup-exists', value: ID });
    const content = await service.ask('GET', `/backups/${ID}/content`, { client: 'admin' });
    expect(content.body).toBe(DUMP);
    expect(content.headers.get('content-length')).toBe(String(DUMP.length));
  });

  test('comes down newest first, by epoch and sequence', async () => {
    const older = manifestOf(DUMP, { id: 'ledger_20261122_130000', sequence: 1 });
    const newer = manifestOf(DUMP, { id: 'ledger_20261122_120000', sequence: 2 });
    for (const manifest of [older, newer]) {
      await put(DUMP, manifest.id);
      await commit(manifest);
    }
    const { body } = await service.ask('GET', '/backups', { client: 'admin' });
    expect(body.backups.map(({ id }: { id: string }) => id)).toEqual([newer.id, older.id]);
  });

  test('shows password verifiers to the peer, and to nobody else', async () => {
    const verifier = 'SCRAM-SHA-256$4096:secret';
    const role = { name: 'barista', login: true, superuser: false, createDb: false };
    const roles = [{ ...role, createRole: false, memberOf: [], verifier }];
    const place = { encoding: 'UTF8', collate: 'C', ctype: 'C', owner: 'postgres', settings: {} };
    await put();
    await commit(manifestOf(DUMP, { surroundings: { ...place, roles } }));
    for (const path of ['/backups', `/backups/${ID}`]) {
      expect(JSON.stringify(await service.ask('GET', path, { client: 'peer' }))).toContain(
        verifier,
      );
      const shown = await service.ask('GET', path, { client: 'admin' });
      expect(JSON.stringify(shown)).not.toContain(verifier);
      expect(JSON.stringify(shown)).toContain('barista');
    }
  });

  test('is asked for by HEAD without leaving its file open', async () => {
    await put();
    await commit();
    const before = (await readdir('/proc/self/fd')).length;
    for (let round = 0; round < 20; round += 1) {
      const { status } = await service.ask('HEAD', `/backups/${ID}/content`, { client: 'peer' });
      expect(status).toBe(200);
    }
    await sleep(50);
    expect((await readdir('/proc/self/fd')).length).toBeLessThan(before + 10);
  });
});

describe('an upload leaves nothing when', () => {
  test('its sender dies in the middle, with a length', async () => {
    const socket = await openSocket(['Content-Length: 50000']);
    socket.write('x'.repeat(20_000));
    await partAppears();
    socket.destroy();
    await nothingIsLeft();
  });

  test('its sender dies in the middle, without a length', async () => {
    const socket = await openSocket(['Transfer-Encoding: chunked']);
    socket.write(`4000\r\n${'x'.repeat(0x4000)}\r\n`);
    await partAppears();
    socket.destroy();
    await nothingIsLeft();
  });

  test('its sender closes its side early, as if that were the end', async () => {
    const socket = await openSocket(['Content-Length: 50000']);
    socket.write('x'.repeat(20_000));
    await partAppears();
    socket.end();
    await nothingIsLeft();
  });

  test('it is announced as too large', async () => {
    const { status, body } = await put('x'.repeat(LIMIT + 1));
    expect(status).toBe(413);
    expect(body).toMatchObject({ code: 'too-large', value: LIMIT + 1 });
    await nothingIsLeft();
  });

  test('it grows too large without having said so', async () => {
    const socket = await openSocket(['Transfer-Encoding: chunked']);
    const piece = `8000\r\n${'x'.repeat(0x8000)}\r\n`;
    socket.write(piece.repeat(4));
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1.1 413 /);
    socket.destroy();
    await nothingIsLeft();
  });

  test.each([
    ['another digest', { sha256: 'f'.repeat(64) }, 400, 'digest-mismatch'],
    ['another length', { bytes: 7 }, 400, 'upload-torn'],
  ])('its manifest tells of %s', async (_what, more, status, code) => {
    await put();
    const committed = await commit(manifestOf(DUMP, more));
    expect(committed).toMatchObject({ status, body: { code } });
    await nothingIsLeft();
  });
});

test('a commit without an upload names the missing PUT', async () => {
  const { status, body } = await commit();
  expect(status).toBe(409);
  expect(body).toMatchObject({ code: 'upload-unknown', remedy: `PUT /backups/${ID} first` });
});

test('a manifest is committed under its own id only', async () => {
  await put();
  const path = '/backups/ledger_20261122_130000/commit';
  const { status, body } = await service.ask('POST', path, {
    client: 'peer',
    body: manifestOf(DUMP),
  });
  expect(status).toBe(400);
  expect(body.detail).toContain('id: the manifest is of');
});

test('a manifest that counts more tables than a small body holds is taken', async () => {
  const rows = Object.fromEntries(
    Array.from({ length: 5000 }, (_, index) => [`public.table_number_${index}`, index]),
  );
  await put();
  const manifest = manifestOf(DUMP, { inventory: { rows, sequences: {}, largeObjects: 0 } });
  expect((await commit(manifest)).status).toBe(201);

  // Lists say nothing of them: with 10,000 tables, five backups would take 11 MB.
  for (const client of ['peer', 'admin'] as const) {
    const list = await service.ask('GET', '/backups', { client });
    expect(list.body.backups).toMatchObject([{ id: manifest.id, proof: null }]);
    expect(JSON.stringify(list.body).length).toBeLessThan(1_000);
    const { body } = await service.ask('GET', `/backups/${manifest.id}`, { client });
    expect(body.inventory.rows).toEqual(rows);
  }
});

test.each([
  ['..%2f..%2fstate', 'a way out of the directory'],
  ['..%2fledger_20261122_120000', 'a way out that ends well'],
  ['ledger_20261122_120000%00.json', 'a NUL'],
  ['.ledger_20261122_120000', 'a leading dot'],
  ['ledger%2fx_20261122_120000', 'a separator'],
  [`${'x'.repeat(500)}_20261122_120000`, 'far too many characters'],
  ['ledger_20261122_120000%0a', 'a line break'],
  ['%ff_20261122_120000', 'a byte that is no text'],
  ['ledger', 'no date'],
])('PUT /backups/%s is refused: %s', async (id) => {
  const { status, body } = await put(DUMP, id);
  expect(status).toBe(400);
  expect(body).toMatchObject({ code: 'invalid-request', value: { id: expect.any(String) } });
  await nothingIsLeft();
});

test('a Content-Range that promises more than the body has is refused, and nothing is kept', async () => {
  const { status, body } = await put(DUMP, ID, { 'Content-Range': 'bytes 0-4999/5000' });
  expect(status).toBe(400);
  expect(body).toMatchObject({ code: 'invalid-request', value: 'bytes 0-4999/5000' });
  await nothingIsLeft();
});

describe('a sender of a past epoch', () => {
  beforeEach(() => service.node.state.apply('heard', 5));

  test.each([
    ['PUT', `/backups/${ID}`, DUMP],
    ['POST', `/backups/${ID}/commit`, manifestOf(DUMP)],
    ['POST', '/fence', { operation: 'operation-1', epoch: 6 }],
    ['POST', '/takeovers', { operation: 'operation-1', epoch: 6, backup: ID }],
  ])('%s %s is refused and learns of ours (H14)', async (method, path, body) => {
    const headers = { 'Coldspare-Epoch': '4' };
    const reply = await service.ask(method, path, { client: 'peer', headers, body });
    expect(reply.status).toBe(409);
    expect(reply.body).toMatchObject({ code: 'stale-epoch', value: 4 });
    expect(reply.headers.get('coldspare-epoch')).toBe('5');
    expect(service.node.runner.list()).toEqual([]);
    await nothingIsLeft();
  });

  test('may still ask for the status', async () => {
    const headers = { 'Coldspare-Epoch': '4' };
    expect((await service.ask('GET', '/status', { client: 'peer', headers })).status).toBe(200);
  });

  test('is refused by its manifest too', async () => {
    await put();
    expect((await commit()).body).toMatchObject({ code: 'stale-epoch', value: 1 });
  });
});

test('an epoch that is no number is refused', async () => {
  const headers = { 'Coldspare-Epoch': '-1' };
  const { status, body } = await service.ask('GET', '/status', { client: 'peer', headers });
  expect(status).toBe(400);
  expect(body).toMatchObject({ code: 'invalid-request', value: '-1' });
});

test('only the peer is heard: an epoch with another key changes nothing', async () => {
  await service.ask('GET', '/status', { client: 'admin', headers: { 'Coldspare-Epoch': '99' } });
  await service.ask('GET', '/health', { headers: { 'Coldspare-Epoch': '99' } });
  expect(service.node.state.current.epoch).toBe(0);
});

test('a node that serves takes no backups (H15)', async () => {
  const primary = await startService('primary');
  try {
    const asked = { client: 'peer', body: DUMP } as const;
    const { status, body } = await primary.ask('PUT', `/backups/${ID}`, asked);
    expect(status).toBe(409);
    expect(body.code).toBe('serving');
    expect(await filesOf(primary)).toEqual([]);
  } finally {
    await primary.close();
  }
});

test('a primary that hears of a higher epoch is superseded at once (H08)', async () => {
  const primary = await startService('primary');
  try {
    const headers = { 'Coldspare-Epoch': '2' };
    const reply = await primary.ask('GET', '/status', { client: 'peer', headers });
    expect(reply.headers.get('coldspare-role')).toBe('standby');
    expect(primary.node.state.current).toMatchObject({ mode: 'standby', epoch: 2 });
    for (let tries = 0; tries < 100 && primary.app.runs; tries += 1) await sleep(10);
    expect(primary.app.runs).toBe(false);
  } finally {
    await primary.close();
  }
});
