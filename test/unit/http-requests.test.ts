import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ColdspareError } from '../../src/domain/errors.js';
import type { OperationRecord } from '../../src/domain/operation.js';
import { ROUTES } from '../../src/http/app.js';
import { LINEAGE } from '../support/fake-node.js';
import { DUMP, manifestOf, type Service, startService } from '../support/http.js';

let primary: Service;
let standby: Service;
/** Of the other node. */
const HANDOVER: OperationRecord = {
  ...{ id: 'operation-of-vcl2', kind: 'handover', state: 'running', committed: false },
  ...{ source: 'peer', epoch: 1, startedAt: '2026-11-22T19:30:00.000Z', endedAt: null },
  ...{ steps: [], result: null, error: null, command: {}, attempt: 1, reason: '' },
};

beforeEach(async () => {
  primary = await startService('primary');
  standby = await startService('standby');
});
afterEach(async () => {
  await primary.close();
  await standby.close();
});

const admin = 'admin' as const;
const waiting = { Prefer: 'wait=10' };

/** The standby holds a fresh backup, and its peer is gone. */
const giveBackup = async (takenAt = new Date().toISOString()) => {
  const manifest = manifestOf(DUMP, { takenAt });
  const { id } = manifest;
  await standby.ask('PUT', `/backups/${id}`, { client: 'peer', body: DUMP });
  await standby.ask('POST', `/backups/${id}/commit`, { client: 'peer', body: manifest });
  return manifest;
};

/** Holds the next dump of the primary until it is released. */
const holdDump = () => {
  const { database } = primary;
  const dump = database.dump.bind(database);
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  database.dump = async (sink, signal) => {
    await held;
    return dump(sink, signal);
  };
  primary.node.peer.upload = async () => ({ bytes: 1, sha256: '' });
  primary.node.peer.commit = async () => {};
  return release;
};

const ended = async (service: Service): Promise<OperationRecord> => {
  const { id } = service.node.runner.list()[0] as OperationRecord;
  return (await service.node.runner.wait(id, 10_000)) as OperationRecord;
};

describe('for load balancers', () => {
  test('only the node that serves is the primary', async () => {
    expect(await primary.ask('GET', '/primary')).toMatchObject({ status: 200 });
    expect(await standby.ask('GET', '/primary')).toMatchObject({
      status: 503,
      body: { primary: false },
    });
    expect(await primary.ask('GET', '/standby')).toMatchObject({ status: 503 });
    expect(await standby.ask('GET', '/standby')).toMatchObject({ body: { standby: true } });
    expect((await primary.ask('HEAD', '/primary')).status).toBe(200);
  });

  test('a primary whose app does not answer is failing and says why', async () => {
    primary.node.local.app = { value: { outcome: 'hangs', detail: 'for ever' }, at: 0 };
    expect((await primary.ask('GET', '/primary')).status).toBe(503);
    expect(await primary.ask('GET', '/health')).toMatchObject({
      status: 503,
      body: {
        ...{ status: 'failing', node: 'vcl2', role: 'primary', serving: false },
        problems: ['app-down'],
      },
    });
  });

  test('every answer tells node, role and epoch', async () => {
    for (const path of ['/health', '/status', '/nowhere']) {
      const { headers } = await primary.ask('GET', path);
      expect(headers.get('coldspare-node')).toBe('vcl2');
      expect(headers.get('coldspare-role')).toBe('primary');
      expect(headers.get('coldspare-epoch')).toBe('1');
    }
  });
});

describe('a promote', () => {
  test('is answered at once, with where to follow it', async () => {
    await giveBackup();
    const { status, headers, body } = await standby.ask('POST', '/promote', { client: admin });
    expect(status).toBe(202);
    expect(body).toMatchObject({ kind: 'promote', state: 'running', source: 'operator' });
    expect(headers.get('location')).toBe(`/operations/${body.id}`);
    expect((await ended(standby)).state).toBe('done');
    expect((await standby.ask('GET', '/primary')).status).toBe(200);
  });

  test('is waited for with Prefer, and says what is lost', async () => {
    const { id } = await giveBackup();
    const asked = { client: admin, headers: waiting, body: { reason: 'VCL2 is dead' } };
    const { status, headers, body } = await standby.ask('POST', '/promote', asked);
    expect(status).toBe(200);
    expect(headers.get('preference-applied')).toBe('wait=10');
    expect(body).toMatchObject({
      ...{ state: 'done', committed: true, reason: 'VCL2 is dead' },
      result: { backup: id, loss: expect.stringContaining('is lost') },
    });
  });

  test('without a backup is refused, changes nothing and says what to do', async () => {
    const asked = { client: admin, headers: waiting };
    const { status, headers, body } = await standby.ask('POST', '/promote', asked);
    expect(status).toBe(409);
    expect(headers.get('content-type')).toBe('application/problem+json');
    expect(body).toMatchObject({
      ...{ code: 'no-backup', status: 409, operation: standby.node.runner.list()[0]?.id },
      ...{ type: 'urn:coldspare:problem:no-backup', title: 'no backup' },
      remedy: expect.stringContaining('adopt'),
    });
    expect(headers.get('location')).toBe(`/operations/${body.operation}`);
    expect(standby.node.state.current.mode).toBe('standby');
    expect(standby.database.databases.size).toBe(0);
  });

  test('from a backup that is too old needs force', async () => {
    await giveBackup('2020-01-01T00:00:00.000Z');
    const asked = { client: admin, headers: waiting };
    expect((await standby.ask('POST', '/promote', asked)).body.code).toBe('backup-too-old');
    const forced = await standby.ask('POST', '/promote', { ...asked, body: { force: true } });
    expect(forced.status).toBe(200);
  });

  test('of a primary touches nothing (H06)', async () => {
    const { status, body } = await primary.ask('POST', '/promote', { client: admin });
    expect(status).toBe(409);
    expect(body).toMatchObject({ code: 'already-primary', value: 1 });
    expect(primary.node.runner.list()).toEqual([]);
  });

  test('is refused during a pause', async () => {
    await giveBackup();
    await standby.ask('POST', '/pause', { client: admin, body: { minutes: 5, reason: 'deploy' } });
    const { status, body } = await standby.ask('POST', '/promote', { client: admin });
    expect(status).toBe(409);
    expect(body).toMatchObject({ code: 'paused', detail: expect.stringContaining('deploy') });
    // Typed as it is said, a handover must not become a takeover from a primary that is well.
    const planned = { client: admin, body: { planned: true } };
    expect((await standby.ask('POST', '/promote', planned)).body.remedy).toContain(
      'POST /promote {"planned": true, "force": true}',
    );
  });

  test('that is called twice with one key is one operation', async () => {
    await giveBackup();
    const asked = { client: admin, headers: { 'Idempotency-Key': 'night-1', ...waiting } };
    const first = await standby.ask('POST', '/promote', asked);
    const second = await standby.ask('POST', '/promote', asked);
    expect(second.status).toBe(200);
    expect(second.body.id).toBe(first.body.id);
    const other = await standby.ask('POST', '/demote', asked);
    expect(other.body.code).toBe('idempotency-conflict');
  });

  test('as a dry run says what would happen, and nothing does', async () => {
    const { id } = await giveBackup();
    const asked = { client: admin, body: { dryRun: true } };
    const { status, body } = await standby.ask('POST', '/promote', asked);
    expect(status).toBe(200);
    expect(body).toMatchObject({ wouldRun: true, refusal: null, backup: id });
    expect(body.steps).toContain('commit-role');
    expect(standby.node.runner.list()).toEqual([]);
  });

  test('that is planned, as a dry run, is a handover: the healthy primary is no reason against it', async () => {
    standby.node.peer.status = async () =>
      (await primary.ask('GET', '/status', { client: 'peer' })).body;
    const asked = { client: admin, body: { dryRun: true, planned: true } };
    const { body } = await standby.ask('POST', '/promote', asked);
    expect(body).toMatchObject({ wouldRun: true, refusal: null });
    expect(body.steps).toContain('freeze');
    await primary.node.state.apply('superseded', 3);
    const again = await standby.ask('POST', '/promote', asked);
    expect(again.body).toMatchObject({ wouldRun: false, peer: expect.stringContaining('standby') });
  });

  test('that is planned is the operation of the other node', async () => {
    const record = HANDOVER;
    standby.node.peer.requestHandover = async (reason) => ({ ...record, reason });
    const asked = { client: admin, body: { planned: true, reason: 'upgrade' } };
    const { status, headers, body } = await standby.ask('POST', '/promote', asked);
    expect(status).toBe(202);
    expect(body).toEqual({ ...record, reason: 'upgrade' });
    expect(headers.get('location')).toBe('http://vcl2.invalid:8080/operations/operation-of-vcl2');

    // Out of reach for a moment, then under way, then over.
    const ended = { ...record, state: 'done' as const, endedAt: new Date().toISOString() };
    const answers = [undefined, new Error('no answer'), record, ended];
    standby.node.peer.operation = async () => {
      const next = answers.length > 1 ? answers.shift() : answers[0];
      if (next instanceof Error) throw next;
      return next;
    };
    const ask = (seconds: number) =>
      standby.ask('POST', '/promote', { ...asked, headers: { Prefer: `wait=${seconds}` } });
    expect(await ask(0)).toMatchObject({ status: 202, body: { state: 'running' } });
    expect(await ask(30)).toMatchObject({ status: 200, body: { state: 'done' } });
    answers[0] = {
      ...ended,
      state: 'refused',
      error: { code: 'peer-not-ready', message: 'it is busy', remedy: 'ask again' },
    };
    expect(await ask(30)).toMatchObject({ status: 409, body: { code: 'peer-not-ready' } });
  });

  test('that is planned and called again with its key is the same handover, also when it is over', async () => {
    const key = { 'Idempotency-Key': 'night-2' };
    const asked = { client: admin, body: { planned: true }, headers: key };
    const keys: (string | undefined)[] = [];
    const askVia = (service: Service) => {
      service.node.peer.requestHandover = async (_reason, given) => {
        keys.push(given);
        return HANDOVER;
      };
      return service.ask('POST', '/promote', asked);
    };
    expect(await askVia(standby)).toMatchObject({ status: 202, body: { id: HANDOVER.id } });
    // By now it is the primary, through that very handover.
    expect(await askVia(primary)).toMatchObject({ status: 202, body: { id: HANDOVER.id } });
    expect(keys).toEqual(['night-2', 'night-2']);

    primary.node.peer.requestHandover = async () => {
      throw new ColdspareError('peer-refused', 'not-primary: it is a standby', 'none');
    };
    expect(await primary.ask('POST', '/promote', asked)).toMatchObject({
      status: 409,
      body: { code: 'already-primary' },
    });
  });

  test('that is planned needs the other node', async () => {
    const asked = { client: admin, body: { planned: true } };
    const { status, body } = await standby.ask('POST', '/promote', asked);
    expect(status).toBe(502);
    expect(body.code).toBe('peer-unreachable');
  });
});

describe('operations', () => {
  test('a client that goes away cancels nothing', async () => {
    const release = holdDump();
    const call = request(`${primary.url}/backups`, {
      method: 'POST',
      headers: { ...waiting, Authorization: 'Bearer the-key-of-the-admin-0123456789abcdef' },
    });
    call.on('error', () => {});
    call.end();
    while (primary.node.runner.current === undefined) await sleep(5);
    call.destroy();
    await sleep(50);
    release();
    expect((await ended(primary)).state).toBe('done');
  });

  test('a wait that is over is answered with how far it is', async () => {
    const release = holdDump();
    const asked = { client: admin, headers: { Prefer: 'respond-async, wait=0' } };
    const { status, headers, body } = await primary.ask('POST', '/backups', asked);
    expect(status).toBe(202);
    expect(headers.get('preference-applied')).toBe('wait=0');
    expect(body.state).toBe('running');
    release();
    await ended(primary);
  });

  test('a second one has to wait for the first', async () => {
    const release = holdDump();
    await primary.ask('POST', '/backups', { client: admin });
    const again = await primary.ask('POST', '/backups', { client: admin });
    expect(again.status).toBe(202);
    expect(again.body.id).toBe(primary.node.runner.current?.id);
    release();
    await ended(primary);
    expect(primary.node.runner.list()).toHaveLength(1);
  });

  test('are listed newest first, and no more than asked for', async () => {
    await standby.ask('POST', '/promote', { client: admin, headers: waiting });
    await standby.ask('POST', '/promote', { client: admin, headers: waiting });
    const all = await standby.ask('GET', '/operations', { client: 'peer' });
    expect(all.body.operations).toHaveLength(2);
    const one = await standby.ask('GET', '/operations?limit=1', { client: admin });
    expect(one.body.operations).toEqual([all.body.operations[0]]);
    const { id } = one.body.operations[0];
    const shown = await standby.ask('GET', `/operations/${id}`, { client: admin });
    expect(shown.body.error.code).toBe('no-backup');
  });

  test.each(['0', '201', 'many', '-1', '1.5'])('limit=%s is refused', async (limit) => {
    const { status, body } = await standby.ask('GET', `/operations?limit=${limit}`, {
      client: admin,
    });
    expect(status).toBe(400);
    expect(body).toMatchObject({ code: 'invalid-request', value: { limit: expect.anything() } });
  });

  test('stream as events, each with the whole operation, and end with it', async () => {
    const release = holdDump();
    const { body } = await primary.ask('POST', '/backups', { client: admin });
    const events = primary.ask('GET', `/operations/${body.id}/events`, { client: admin });
    await sleep(50);
    release();
    const { headers, body: text } = await events;
    expect(headers.get('content-type')).toContain('text/event-stream');
    const records = [...String(text).matchAll(/^event: operation\ndata: (.*)\nid: (\d+)$/gm)];
    expect(records.map(([, , number]) => Number(number))).toEqual(
      records.map((_record, index) => index + 1),
    );
    const states = records.map(([, data = '']) => JSON.parse(data).state);
    expect(states[0]).toBe('running');
    expect(states.at(-1)).toBe('done');
  });

  test('let go of who watched them and went away', async () => {
    const release = holdDump();
    const { body } = await primary.ask('POST', '/backups', { client: admin });
    let watched = 0;
    const { runner } = primary.node;
    const watch = runner.watch.bind(runner);
    runner.watch = (id, signal) => {
      watched += 1;
      signal.addEventListener('abort', () => {
        watched -= 1;
      });
      return watch(id, signal);
    };
    const gone = new AbortController();
    const headers = { Authorization: 'Bearer the-key-of-the-admin-0123456789abcdef' };
    const response = await fetch(`${primary.url}/operations/${body.id}/events`, {
      headers,
      signal: gone.signal,
    });
    await response.body?.getReader().read();
    expect(watched).toBe(1);
    gone.abort();
    for (let tries = 0; tries < 100 && watched > 0; tries += 1) await sleep(20);
    expect(watched).toBe(0);
    expect(runner.current?.state).toBe('running');
    await primary.ask('HEAD', `/operations/${body.id}/events`, { client: admin });
    for (let tries = 0; tries < 100 && watched > 0; tries += 1) await sleep(20);
    expect(watched).toBe(0);
    release();
    await ended(primary);
  });

  test('can be cancelled', async () => {
    const release = holdDump();
    const { body } = await primary.ask('POST', '/backups', { client: admin });
    const cancelling = primary.ask('DELETE', `/operations/${body.id}`, { client: admin });
    await sleep(20);
    release();
    expect((await cancelling).body).toMatchObject({ id: body.id, error: { code: 'cancelled' } });
  });

  test('that a person names wrongly are not found, and nothing is written down', async () => {
    for (const method of ['GET', 'DELETE']) {
      const { status, body } = await standby.ask(method, '/operations/mistyped', { client: admin });
      expect(status).toBe(404);
      expect(body.code).toBe('operation-not-found');
    }
    expect(standby.node.runner.list()).toEqual([]);
  });

  test('that the peer withdraws before they came never run', async () => {
    const backup = await giveBackup();
    const id = 'handover-of-vcl2';
    const withdrawn = await standby.ask('DELETE', `/operations/${id}`, { client: 'peer' });
    expect(withdrawn.body).toMatchObject({ id, state: 'refused', committed: false });
    const late = { operation: id, epoch: 2, backup: backup.id };
    const { body } = await standby.ask('POST', '/takeovers', { client: 'peer', body: late });
    expect(body).toMatchObject({ id, state: 'refused' });
    expect(standby.node.state.current.mode).toBe('standby');
  });

  test.each(['..%2f..%2fstate', 'x', 'a%00b-12345678', 'x'.repeat(200)])(
    'cannot be named %s',
    async (id) => {
      for (const method of ['GET', 'DELETE']) {
        const { status, body } = await standby.ask(method, `/operations/${id}`, { client: 'peer' });
        expect(status).toBe(400);
        expect(body.code).toBe('invalid-request');
      }
      expect(standby.node.runner.list()).toEqual([]);
    },
  );
});

describe('between the agents', () => {
  test('a fenced primary has stopped its app before it answers', async () => {
    const body = { operation: 'promote-of-vcl3', epoch: 2 };
    const fenced = await primary.ask('POST', '/fence', { client: 'peer', body });
    expect(fenced).toMatchObject({ status: 200, body: { mode: 'yielding' } });
    expect(primary.app.runs).toBe(false);
    const rescue = { client: 'peer', body: { rescue: 'promote-of-vcl3' } } as const;
    primary.node.peer.upload = async () => ({ bytes: 1, sha256: '' });
    primary.node.peer.commit = async () => {};
    const rescued = await primary.ask('POST', '/backups', { ...rescue, headers: waiting });
    expect(rescued).toMatchObject({ status: 200, body: { state: 'done', source: 'peer' } });
  });

  test('a rescue is for the peer only', async () => {
    const asked = { client: admin, body: { rescue: 'promote-of-vcl3' } };
    const { status, body } = await primary.ask('POST', '/backups', asked);
    expect(status).toBe(403);
    expect(body).toMatchObject({ code: 'forbidden', value: 'rescue' });
  });

  test('a takeover under its own name is done once, however often it is asked for', async () => {
    const { id } = await giveBackup();
    const body = { operation: 'handover-of-vcl2', epoch: 2, backup: id };
    const asked = { client: 'peer', body, headers: waiting } as const;
    const first = await standby.ask('POST', '/takeovers', asked);
    expect(first).toMatchObject({ status: 200, body: { id: body.operation, committed: true } });
    const again = await standby.ask('POST', '/takeovers', asked);
    expect(again).toMatchObject({ status: 200, body: { id: body.operation } });
    expect(standby.node.state.current).toMatchObject({ mode: 'primary', epoch: 2 });
  });

  test('a standby asks for a handover', async () => {
    const asked = { client: 'peer', body: { reason: 'failback' }, headers: waiting } as const;
    const { status, body } = await primary.ask('POST', '/handovers', asked);
    expect(status).toBe(409);
    expect(body).toMatchObject({ code: 'peer-not-ready', operation: expect.any(String) });
    expect(primary.node.runner.list()[0]).toMatchObject({ kind: 'handover', source: 'peer' });
    expect((await standby.ask('POST', '/handovers', asked)).body.code).toBe('not-primary');
  });
});

describe('a demote', () => {
  test('without the other node changes nothing', async () => {
    const { status, body } = await primary.ask('POST', '/demote', {
      client: admin,
      headers: waiting,
    });
    expect(status).toBe(409);
    expect(body.code).toBe('peer-not-ready');
    expect(primary.app.runs).toBe(true);
  });

  test('as a dry run says what would happen, and nothing does', async () => {
    const asked = { client: admin, body: { dryRun: true } };
    const { status, body } = await primary.ask('POST', '/demote', asked);
    expect(status).toBe(200);
    expect(body).toMatchObject({ wouldRun: false });
    expect(body.steps).toContain('freeze');
    expect(primary.node.runner.list()).toEqual([]);
  });
});

describe('a pause', () => {
  test('has an end, is shown and logged, and can be taken back', async () => {
    const asked = { client: admin, body: { minutes: 10, reason: 'deploy' } };
    const { status, body } = await standby.ask('POST', '/pause', asked);
    expect(status).toBe(200);
    expect(body.reason).toBe('deploy');
    expect(Date.parse(body.until) - Date.now()).toBeGreaterThan(590_000);
    const shown = await standby.ask('GET', '/status', { client: admin });
    expect(shown.body.pause).toEqual(body);
    expect((await standby.ask('DELETE', '/pause', { client: admin })).status).toBe(204);
    expect(standby.node.state.current.pause).toBeNull();
    const lines = standby.logged.filter(({ message }) => message.includes('failover and failback'));
    expect(lines.map(({ data }) => data)).toEqual([{ who: 'admin', ...body }, { who: 'admin' }]);
  });

  test.each([0, -5, 8 * 24 * 60, 'soon'])('of %s minutes is refused', async (minutes) => {
    const { status, body } = await standby.ask('POST', '/pause', {
      client: admin,
      body: { minutes },
    });
    expect(status).toBe(400);
    expect(body.value).toEqual({ minutes });
    expect(standby.node.state.current.pause).toBeNull();
  });
});

describe('what cannot be understood', () => {
  const json = { 'Content-Type': 'application/json' };

  test.each([
    ['half of an object', '{"force":', json, 'not JSON'],
    ['no text', new Uint8Array([0x22, 0xff, 0x22]), json, 'not JSON'],
    ['a form', 'force=true', { 'Content-Type': 'text/plain' }, 'not declared as JSON'],
    ['a list', '[]', json, 'expected object'],
  ])('%s is a 400', async (_what, body, headers, detail) => {
    const reply = await primary.ask('POST', '/backups', { client: admin, body, headers });
    expect(reply.status).toBe(400);
    expect(reply.body).toMatchObject({
      code: 'invalid-request',
      detail: expect.stringContaining(detail),
    });
    expect(primary.node.runner.list()).toEqual([]);
  });

  test('an unknown field is named: a misspelt "force" must not look like none', async () => {
    const asked = { client: admin, body: { forse: true } };
    const { status, body } = await standby.ask('POST', '/promote', asked);
    expect(status).toBe(400);
    expect(body.detail).toContain('forse');
  });

  test('a field of the wrong kind is named', async () => {
    const { body } = await standby.ask('POST', '/promote', {
      client: admin,
      body: { force: 'yes' },
    });
    expect(body).toMatchObject({ code: 'invalid-request', value: { force: 'yes' } });
  });

  test('a body that never ends is cut at 64 KiB', async () => {
    const body = JSON.stringify({ reason: 'x'.repeat(70_000) });
    const asked = { client: admin, body, headers: json };
    const { status, body: answer } = await primary.ask('POST', '/backups', asked);
    expect(status).toBe(413);
    expect(answer).toMatchObject({ code: 'too-large', value: 65_536 });
  });

  test.each(['', 'a b', 'ü', 'x'.repeat(256)])('the Idempotency-Key %j is refused', async (key) => {
    // fetch would not send some of these.
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const headers = {
        Authorization: 'Bearer the-key-of-the-admin-0123456789abcdef',
        'Idempotency-Key': key,
      };
      const call = request(`${primary.url}/backups`, { method: 'POST', headers });
      call.on('response', (response) => resolve(response.resume().statusCode));
      call.on('error', reject);
      call.end();
    });
    expect(status).toBe(400);
    expect(primary.node.runner.list()).toEqual([]);
  });

  test.each(['/nowhere', '/metrics/x', '/page', '/status/x'])('GET %s is a 404', async (path) => {
    const { status, body } = await standby.ask('GET', path);
    expect(status).toBe(404);
    expect(body).toMatchObject({ code: 'not-found', value: path });
  });

  test.each([...new Set(ROUTES.map(({ path }) => path))])('PATCH %s is a 405', async (path) => {
    const { status, headers, body } = await standby.ask('PATCH', path);
    expect(status).toBe(405);
    expect(body.code).toBe('method-not-allowed');
    const methods = ROUTES.filter((route) => route.path === path).map(({ method }) => method);
    expect(headers.get('allow')).toBe(methods.join(', '));
  });

  test('an unexpected error shows nothing, and the log has it', async () => {
    const secret = new Error('the password is hunter2');
    primary.node.backups.list = () => {
      throw secret;
    };
    const { status, body } = await primary.ask('GET', '/backups', { client: admin });
    expect(status).toBe(500);
    expect(body.code).toBe('internal');
    expect(JSON.stringify(body)).not.toContain('hunter2');
    expect(primary.logged).toContainEqual({
      level: 'error',
      message: 'a request failed unexpectedly',
      data: { method: 'GET', path: '/backups', error: secret },
    });
  });
});

test('every request that may change something leaves a line without header, body or query', async () => {
  const body = { reason: 'the-body' };
  await standby.ask('POST', '/promote?the-query', {
    client: admin,
    body,
    headers: { 'Idempotency-Key': 'the-header', ...waiting },
  });
  await standby.ask('GET', '/status', { client: admin });
  const lines = standby.logged.filter(({ message }) => message === 'request');
  expect(lines).toEqual([
    {
      level: 'info',
      message: 'request',
      data: {
        ...{ method: 'POST', path: '/promote', status: 409, who: 'admin' },
        ms: expect.any(Number),
      },
    },
  ]);
});

test('the status tells of the lineage and the newest backup', async () => {
  const { id } = await giveBackup();
  const { status, body } = await standby.ask('GET', '/status', { client: admin });
  expect(status).toBe(200);
  expect(body).toMatchObject({ node: 'vcl3', mode: 'standby', lineage: LINEAGE });
  expect(body.latestBackup.id).toBe(id);
});
