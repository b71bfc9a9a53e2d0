import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createFileDisk } from '../../src/drivers/file-disk.js';
import { createHttpPeer } from '../../src/drivers/http-peer.js';
import { probePeer } from '../../src/peer/probe-peer.js';
import { NodeState } from '../../src/state/node-state.js';
import { DUMP, manifestOf, type Service, startService, TOKENS } from '../support/http.js';

/** During an upgrade one of the agents is newer, and a rollback makes the older one start on the newer one's files. */
let primary: Service;
let standby: Service;
beforeEach(async () => {
  primary = await startService('primary');
  standby = await startService('standby');
});
afterEach(async () => {
  await primary.close();
  await standby.close();
});

const client = 'peer' as const;
const more = { fromALaterVersion: { yes: [1] } };

describe('a newer agent asks with fields that are not known here', () => {
  test('a fence, a rescue, a handover, a backup and a takeover are understood', async () => {
    const manifest = manifestOf(DUMP);
    const post = (service: Service, path: string, body: object) =>
      service.ask('POST', path, { client, body: { ...body, ...more } });
    await standby.ask('PUT', `/backups/${manifest.id}`, { client, body: DUMP });
    expect((await post(standby, `/backups/${manifest.id}/commit`, manifest)).status).toBe(201);
    const at = new Date().toISOString();
    expect((await post(standby, `/backups/${manifest.id}/confirm`, { at })).status).toBe(200);
    const offer = { operation: 'handover-of-vcl2', epoch: 2, backup: manifest.id };
    expect((await post(standby, '/takeovers', offer)).status).toBe(202);
    const operation = 'promote-of-vcl3';
    const fence = await post(primary, '/fence', { operation, epoch: 2 });
    expect(fence).toMatchObject({ status: 200, body: { mode: 'yielding' } });
    expect((await post(primary, '/backups', { rescue: operation })).status).toBe(202);
    expect((await post(primary, '/handovers', {})).body.code).toBe('yielding');
  });

  test('a person is told that such a field is mistyped', async () => {
    const asked = { client: 'admin' as const, body: { dryrun: true } };
    for (const path of ['/promote', '/demote', '/backups']) {
      expect((await standby.ask('POST', path, asked)).status).toBe(400);
    }
    expect(standby.node.runner.list()).toEqual([]);
  });
});

describe('an agent that speaks another protocol', () => {
  const body = { operation: 'promote-of-vcl3', epoch: 2 };
  const ask = (protocol: string) => {
    const headers = { 'Coldspare-Protocol': protocol };
    return primary.ask('POST', '/fence', { client, headers, body });
  };

  test.each(['2-3', '7-7', 'new'])('only %s is refused, and nothing changes', async (protocol) => {
    expect(await ask(protocol)).toMatchObject({
      status: 400,
      body: { code: 'invalid-request', value: protocol, remedy: expect.stringContaining('deploy') },
    });
    expect(primary.node.state.current.mode).toBe('primary');
    const headers = { 'Coldspare-Protocol': protocol };
    expect((await primary.ask('GET', '/status', { client, headers })).status).toBe(200);
  });

  test.each(['1-1', '1-9'])(
    '%s is understood, and the answer says what is spoken here',
    async (protocol) => {
      const { status, headers } = await ask(protocol);
      expect(status).toBe(200);
      expect(headers.get('coldspare-protocol')).toBe('1-1');
    },
  );
});

describe('a newer agent answers', () => {
  let server: Server;
  let status: object;
  beforeEach(async () => {
    status = (await primary.ask('GET', '/status', { client })).body;
    server = createServer((_request, response) => {
      response.setHeader('Coldspare-Node', 'vcl2').end(JSON.stringify(status));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(async () => {
    server.closeAllConnections();
    await once(server.close(), 'close');
  });

  const connect = () =>
    createHttpPeer({
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      ...{ token: TOKENS.peer, node: 'vcl3', statusTimeout: 10_000, epoch: () => 1 },
      instance: 'of-the-tests',
      onEpoch: async () => {},
    });
  const probe = () => probePeer({ ...standby.node, peer: connect() });

  test.each([
    ['an unknown mode', { mode: 'streaming' }],
    ['an unknown field', more],
    [
      'another form of what is only shown',
      { alone: { since: 1 }, policy: null, problems: 'none', latestBackup: 7 },
    ],
    ['an operation of another form', { operation: { id: 'x', kind: 'backup', state: 'held' } }],
  ])('with %s: it is seen to serve', async (_what, changes) => {
    Object.assign(status, changes);
    const seen = await probe();
    expect(seen.silence).toBeUndefined();
    expect(seen).toMatchObject({ serves: true, agent: { mode: expect.stringMatching(/primary/) } });
  });

  test('a fence, with an unknown mode: it does not serve', async () => {
    status = { mode: 'parked', more: 1 };
    expect(await connect().fence('promote-of-vcl3', 2)).toMatchObject({ mode: 'yielding' });
  });

  test('with an operation of an unknown kind: it is busy', async () => {
    Object.assign(status, { serving: false, operation: { id: 'x', kind: 'reshape' } });
    expect((await probe()).views.agent).toBe('busy');
  });
});

describe('an agent starts on the state of a newer one', () => {
  const open = () => NodeState.open(createFileDisk(), standby.directory, 'standby', Date.now);
  const file = () => join(standby.directory, 'state.json');
  const read = async () => JSON.parse(await readFile(file(), 'utf8'));

  test('what it does not know is there again after the rollback, at every depth', async () => {
    const pause = { until: '2026-11-22T19:30:00.000Z', reason: 'deploy' };
    await writeFile(
      file(),
      JSON.stringify({ ...(await read()), pause: { ...pause, ...more }, ...more }),
    );
    const state = await open();
    await state.apply('heard', 7);
    expect(await read()).toMatchObject({ epoch: 7, pause: { ...pause, ...more }, ...more });
    await state.update({ pause: null });
    expect(await read()).toMatchObject({ pause: null, ...more });
  });

  test.each([{ mode: 'streaming' }, { version: 2 }, { parity: 'third' }])(
    '%j: it does not start, says why, and nobody is told to throw the role away',
    async (unknown) => {
      const text = JSON.stringify({ ...(await read()), ...unknown });
      await writeFile(file(), text);
      await expect(open()).rejects.toMatchObject({
        message: expect.stringContaining(Object.keys(unknown)[0] ?? ''),
        remedy: expect.stringContaining('Do not move the file away'),
      });
      expect(await readFile(file(), 'utf8')).toBe(text);
    },
  );
});
