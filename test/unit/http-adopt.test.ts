import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Manifest } from '../../src/domain/manifest.js';
import { DUMP, manifestOf, type Service, startService } from '../support/http.js';
import { nodeStatus } from '../support/node-status.js';
import { type Cluster, createCluster, describePostgres } from '../support/postgres.js';

const ID = 'coffee_db_20261122_193000';
const HEADER =
  '--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version 15.8 (Debian)\n\n';
const TRAILER = '\n--\n-- PostgreSQL database dump complete\n--\n\n';

let standby: Service;
let directory: string;
beforeEach(async () => {
  standby = await startService('standby');
  directory = await mkdtemp(join(tmpdir(), 'dumps-'));
});
afterEach(async () => {
  await standby.close();
  await rm(directory, { recursive: true, force: true });
});

const adopt = (path: string, id = ID, service = standby) =>
  service.ask('POST', `/backups/${id}/adopt`, { client: 'admin', body: { path } });
const adoptText = async (text: string | Buffer, id = ID) => {
  const path = join(directory, 'dump.sql');
  await writeFile(path, text);
  return adopt(path, id);
};
const nothingWasKept = async () => {
  expect(standby.node.backups.list()).toEqual([]);
  // It is removed while the answer is on its way.
  // Without the marker of the folder.
  const files = async () =>
    (await readdir(join(standby.directory, 'backups'))).filter((name) => !name.startsWith('.'));
  await expect.poll(files).toEqual([]);
  expect(standby.node.state.current).toMatchObject({ lineage: null, epoch: 0 });
};

describe('a dump of the old scripts', () => {
  test('becomes a backup that a promote may go by', async () => {
    const text = `${HEADER}CREATE TABLE coffees (id int);${TRAILER}`;
    const { status, headers, body } = await adoptText(text);
    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`/backups/${ID}`);
    expect(body).toMatchObject({
      ...{ id: ID, format: 'plain', epoch: 1, sequence: 0, node: 'vcl3' },
      ...{ takenAt: '2026-11-22T19:30:00.000Z', serverVersion: '15.8 (Debian)' },
      ...{ bytes: Buffer.byteLength(text), lineage: expect.stringMatching(/^[0-9a-f]{32}$/) },
    });
    expect(body.inventory).toBeUndefined();
    expect(standby.node.state.current.lineage).toBe(body.lineage);
    const content = await standby.ask('GET', `/backups/${ID}/content`, { client: 'admin' });
    expect(content.body).toBe(text);
  });

  test('is of the lineage that the other node serves: its backups are not refused afterwards', async () => {
    standby.node.peer.status = async () => ({
      ...nodeStatus('vcl2'),
      lineage: manifestOf(DUMP).lineage,
    });
    const { body } = await adoptText(`${HEADER}CREATE TABLE coffees (id int);${TRAILER}`);
    expect(body.lineage).toBe(manifestOf(DUMP).lineage);
    await standby.ask('PUT', `/backups/${manifestOf(DUMP).id}`, { client: 'peer', body: DUMP });
    const path = `/backups/${manifestOf(DUMP).id}/commit`;
    const commit = await standby.ask('POST', path, { client: 'peer', body: manifestOf(DUMP) });
    expect(commit.status).toBe(201);
  });

  test('of the same lineage is older than every backup of ours', async () => {
    await standby.ask('PUT', `/backups/${manifestOf(DUMP).id}`, { client: 'peer', body: DUMP });
    const path = `/backups/${manifestOf(DUMP).id}/commit`;
    await standby.ask('POST', path, { client: 'peer', body: manifestOf(DUMP) });
    const { body } = await adoptText(`${HEADER}${TRAILER}`);
    expect(body.lineage).toBe(manifestOf(DUMP).lineage);
    expect(standby.node.backups.list().map(({ id }) => id)).toEqual([manifestOf(DUMP).id, ID]);
  });

  test('does not displace what is proven, also where no backup of the present epoch is there yet', async () => {
    const { node } = standby;
    const put = async (id: string, more: Partial<Manifest>) => {
      await standby.ask('PUT', `/backups/${id}`, { client: 'peer', body: DUMP });
      const body = manifestOf(DUMP, { id, ...more });
      await standby.ask('POST', `/backups/${id}/commit`, { client: 'peer', body });
      return id;
    };
    const kept = [];
    for (let sequence = 1; sequence <= node.settings.retention.newest; sequence += 1)
      kept.unshift(await put(`ledger_20261122_12000${sequence}`, { epoch: 3, sequence }));
    await node.state.apply('heard', 4);
    expect(await adoptText(`${HEADER}${TRAILER}`)).toMatchObject({ status: 201 });
    expect(node.backups.list().map(({ id }) => id)).toEqual([...kept, ID]);
  });

  test('is not taken twice under one id', async () => {
    await adoptText(`${HEADER}${TRAILER}`);
    expect(await adoptText(`${HEADER}SELECT 1;${TRAILER}`)).toMatchObject({
      status: 409,
      body: { code: 'backup-exists' },
    });
  });

  test('is not taken by a node that serves', async () => {
    const primary = await startService('primary');
    try {
      await writeFile(join(directory, 'dump.sql'), `${HEADER}${TRAILER}`);
      const { status, body } = await adopt(join(directory, 'dump.sql'), ID, primary);
      expect(status).toBe(409);
      expect(body).toMatchObject({
        code: 'serving',
        remedy: expect.stringContaining('the same on the other node'),
      });
    } finally {
      await primary.close();
    }
  });
});

test.each([
  ['is empty', '', 'it is empty'],
  ['was cut (H05)', `${HEADER}CREATE TABLE coffees (id int);\n`, 'torn'],
  ['was cut in its rows', `${HEADER}COPY c (id) FROM stdin;\n1\n2\n`, 'torn'],
  ['was cut in a text', `${HEADER}SELECT 'PostgreSQL database dump complete`, 'torn'],
  ['only says in a text that it is complete', `${HEADER}SELECT '${TRAILER}`, 'torn'],
  ['connects elsewhere', `${HEADER}\\connect coffee_dev\n${TRAILER}`, '"\\connect coffee_dev"'],
  ['connects elsewhere, briefly', `${HEADER}\\c coffee_dev\n${TRAILER}`, '"\\c coffee_dev"'],
  ['connects in the middle of a line', `${HEADER}SELECT 1; \\c x\n${TRAILER}`, '"\\c x"'],
  ['runs a program', `${HEADER}\\! rm -rf /\n${TRAILER}`, '"\\! rm -rf /"'],
  ['reads another file', `${HEADER}\\i /tmp/x.sql\n${TRAILER}`, '"\\i /tmp/x.sql"'],
  ['copies from a program', `${HEADER}\\copy t from program 'x'\n${TRAILER}`, '\\copy t'],
  ['lets the server run one', `${HEADER}COPY t FROM PROGRAM 'x';${TRAILER}`, 'COPY t FROM PROGRAM'],
  ['executes what it selects', `${HEADER}SELECT 'DROP' \\gexec\n${TRAILER}`, '"\\gexec"'],
  ['drops a database', `${HEADER}DROP DATABASE coffee_dev;${TRAILER}`, 'DROP DATABASE'],
  ['creates a database', `${HEADER}create  database x;${TRAILER}`, 'create database x'],
  ['alters a database', `${HEADER}ALTER DATABASE x SET a = b;${TRAILER}`, 'ALTER DATABASE'],
  ['marks a database', `${HEADER}COMMENT ON DATABASE x IS 'y';${TRAILER}`, 'COMMENT ON DATABASE'],
  ['hides it behind a comment', `${HEADER}/* a /* b */ */ DROP DATABASE x;${TRAILER}`, 'DROP'],
  ['hides it after rows', `${HEADER}COPY c FROM stdin;\n1\n\\.\n\\c x\n${TRAILER}`, '"\\c x"'],
  [
    'hides it after no rows',
    `${HEADER}COPY c FROM stdin;\n\\.\nDROP DATABASE x;${TRAILER}`,
    'DROP',
  ],
  [
    'hides it after a quote',
    `${HEADER}SELECT 'it''s', E'\\'', $a$'$a$;\n\\c x\n${TRAILER}`,
    '\\c x',
  ],
])('a dump that %s is refused, and nothing is kept', async (_what, text, why) => {
  const { status, body } = await adoptText(text);
  expect(status).toBe(422);
  expect(body).toMatchObject({ code: 'backup-unusable', detail: expect.stringContaining(why) });
  await nothingWasKept();
});

const WHOLE = Buffer.from(`${HEADER}${TRAILER}`);
test.each([
  ['gzip', gzipSync(WHOLE), 'gunzip --keep '],
  ['bzip2', Buffer.from('BZh91AY&SY'), 'bunzip2'],
  ['xz', Buffer.from('fd377a585a00', 'hex'), 'unxz'],
  ['zstd', Buffer.from('28b52ffd04', 'hex'), 'unzstd'],
  ['zip', Buffer.from('PK\u0003\u0004'), 'unzip'],
])(
  'a dump that is packed by %s, as the old scripts left it, is told as that',
  async (name, content, unpack) => {
    const { status, body } = await adoptText(content);
    expect(status).toBe(422);
    expect(body).toMatchObject({
      detail: expect.stringContaining(`this is ${name}`),
      remedy: expect.stringContaining(unpack),
    });
    await nothingWasKept();
  },
);

test.each([
  ['rows with backslashes', 'COPY c (a, b) FROM stdin;\n\\N\t\\\\c\n\\t\\.x\t\\N\n\\.\n'],
  ['rows that look like statements', 'COPY c (a) FROM stdin;\nDROP DATABASE x;\n\\.\n'],
  ['texts with backslashes', "SELECT 'C:\\connect', \"a\\b\", E'it\\'s \\\\', $$\n\\c x\n$$;\n"],
  ['functions', "CREATE FUNCTION f() AS $_$\nDROP DATABASE x; '\n\\! x\n$_$ LANGUAGE sql;\n"],
  ['comments with quotes', "-- it's \\c x\n/* it's \\c x */ SELECT 1;\n"],
  ['the lines that pg_dump writes since 2025', '\\restrict aB3\nSELECT 1;\n\\unrestrict aB3\n'],
  ['a table named database', 'CREATE TABLE database (id int);\n'],
])('a dump with %s is taken', async (_what, sql) => {
  expect(await adoptText(`${HEADER}${sql}${TRAILER}`)).toMatchObject({ status: 201 });
});

test('a command is found wherever the pieces of a long dump are cut', async () => {
  for (let shift = 0; shift < 12; shift += 1) {
    const rows = `COPY c FROM stdin;\n${`${'x'.repeat(99)}\n`.repeat(655)}`;
    const text = `${HEADER}${rows}${'y'.repeat(shift)}\n\\.\n${'SELECT 1;\n'.repeat(6500)}\\connect x\n${TRAILER}`;
    const { body } = await adoptText(text);
    expect(body.detail).toContain('"\\connect x"');
  }
  await nothingWasKept();
});

test.each([
  ['/nowhere/dump.sql', 'ENOENT'],
  ['/dev/zero', 'not a regular file'],
  [tmpdir(), 'not a regular file'],
])('%s is no dump', async (path, why) => {
  const { status, body } = await adopt(path);
  expect(status).toBe(400);
  expect(body).toMatchObject({ code: 'invalid-request', detail: expect.stringContaining(why) });
  await nothingWasKept();
});

test('a link is not followed: somebody else may turn it', async () => {
  await writeFile(join(directory, 'dump.sql'), `${HEADER}${TRAILER}`);
  await symlink(join(directory, 'dump.sql'), join(directory, 'latest.sql'));
  expect(await adopt(join(directory, 'latest.sql'))).toMatchObject({ status: 400 });
  await nothingWasKept();
});

test.each(['dump.sql', '../dump.sql', ''])('%j is no absolute path', async (path) => {
  expect(await adopt(path)).toMatchObject({ status: 400, body: { value: { path } } });
});

test.each(['coffee_db_20261322_193000', 'coffee_db_20261122_253000'])(
  '%s names no moment',
  async (id) => {
    expect(await adoptText(`${HEADER}${TRAILER}`, id)).toMatchObject({
      status: 400,
      body: { code: 'invalid-request', value: id },
    });
    await nothingWasKept();
  },
);

describePostgres('dumps of a real pg_dump', () => {
  let cluster: Cluster;
  const dump = (...args: string[]) =>
    execFileSync(
      'pg_dump',
      ['-h', '127.0.0.1', '-p', `${cluster.port}`, '-U', 'postgres', ...args, 'coffee_dev'],
      { maxBuffer: 64 * 1024 * 1024 },
    );
  beforeAll(async () => {
    cluster = await createCluster();
    await cluster.psql('CREATE DATABASE coffee_dev');
    await cluster.psql(
      `CREATE TABLE t (id serial PRIMARY KEY, note text, raw bytea);
       INSERT INTO t (note, raw)
         SELECT E'\\\\connect \\n\\\\. it''s $$ ü ' || n, decode(md5(n::text), 'hex')
         FROM generate_series(1, 20000) n;
       CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $_$ SELECT E'\\'\\\\c x; DROP DATABASE x;' $_$;
       COMMENT ON TABLE t IS 'it''s \\! a comment';`,
      'coffee_dev',
    );
  });
  afterAll(() => cluster?.remove());

  test.each([
    ['plain', [], 'plain', '15.'],
    ['plain with inserts', ['--inserts', '--rows-per-insert=100'], 'plain', '15.'],
    ['custom', ['-Fc'], 'custom', 'unknown'],
  ])('%s is taken, byte for byte', async (_what, args, format, version) => {
    const content = dump(...args);
    const { status, body } = await adoptText(content);
    expect(status).toBe(201);
    expect(body).toMatchObject({
      ...{ format, bytes: content.length, serverVersion: expect.stringContaining(version) },
    });
    const kept = await readFile(join(standby.directory, 'backups', `${ID}.dump`));
    expect(kept.equals(content)).toBe(true);
  });

  test('with --create it would act on the live database', async () => {
    const { status, body } = await adoptText(dump('--create'));
    expect(status).toBe(422);
    expect(body.detail).toContain('CREATE DATABASE');
    await nothingWasKept();
  });

  test.each([0.1, 0.6, 0.95, 0.999])('cut at %s of its length it is torn (H05)', async (part) => {
    const content = dump();
    const { status, body } = await adoptText(content.subarray(0, content.length * part));
    expect(status).toBe(422);
    expect(body.detail).toContain('torn');
    await nothingWasKept();
  });
});
