import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type DatabaseGlobals, inventoryDifferences } from '../../src/domain/manifest.js';
import type { Marker } from '../../src/domain/marker.js';
import { createHostStack } from '../../src/drivers/host/stack.js';
import { runCommand, splitCommand } from '../../src/drivers/run-command.js';
import { BLOCKED } from '../../src/ports/stack.js';
import { type HostHarness, makeHostHarness } from '../support/host-harness.js';
import { describePostgres } from '../support/postgres.js';
import { PROGRAMS, runAsPostgres } from '../support/postgres-tools.js';
import { watchProcesses } from '../support/processes.js';
import { CROCKERY, dump, manifestOf, testStackContract } from './stack-contract.js';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const MARKER: Marker = { lineage: 'lin-1', epoch: 3, backup: null, served: false };
const never = new AbortController().signal;

describePostgres('host stack', () => {
  // All of it in a soak; each run has the first of every group and half of the others.
  testStackContract(() => makeHostHarness(), 0.3);
});

/** One of everything that a dump must bring to the other server. */
const COFFEE_SHOP = `
  CREATE ROLE staff NOLOGIN;
  CREATE ROLE "Chef d'Équipe" LOGIN PASSWORD 'espresso 7' CREATEDB;
  ALTER ROLE staff BYPASSRLS NOINHERIT REPLICATION CONNECTION LIMIT 7 VALID UNTIL '2031-02-03 04:05:06.789+01';
  ALTER ROLE staff SET statement_timeout TO '5s';
  ALTER ROLE staff SET search_path TO "$user", "Früh schicht";
  GRANT staff TO "Chef d'Équipe";
  GRANT pg_monitor TO "Chef d'Équipe";
  ALTER DATABASE shop OWNER TO "Chef d'Équipe";
  ALTER DATABASE shop SET search_path TO "$user", public, "Früh schicht";
  ALTER DATABASE shop SET "shop.currency" TO 'it''s €';
  ALTER DATABASE shop SET work_mem TO '7MB';
  COMMENT ON DATABASE shop IS 'call Ann before dropping this';
`;
const LARGE_OBJECTS = `SELECT lo_from_bytea(0, '\\x0102'), lo_from_bytea(0, '\\x03');`;
const SHOP = `
  CREATE SCHEMA "Früh schicht";
  CREATE TYPE size AS ENUM ('klein', 'groß');
  CREATE TABLE "Früh schicht"."Bestellung." (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    size size NOT NULL, extras jsonb, photo bytea,
    net numeric(8,2), gross numeric GENERATED ALWAYS AS (net * 1.19) STORED);
  INSERT INTO "Früh schicht"."Bestellung." (size, extras, photo, net)
    SELECT 'groß', '{"milk": "Hafer ☕", "shots": [1, 2]}', '\\x00ff5c0a', n FROM generate_series(1, 300) n;
  CREATE TABLE visits (day date, n int) PARTITION BY RANGE (day);
  CREATE TABLE visits_2025 PARTITION OF visits FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
  CREATE TABLE visits_2026 PARTITION OF visits FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
  INSERT INTO visits SELECT '2025-12-30'::date + n, n FROM generate_series(0, 9) n;
  CREATE TABLE base (id int); CREATE TABLE heir () INHERITS (base);
  INSERT INTO base VALUES (1); INSERT INTO heir VALUES (2), (3);
  CREATE VIEW busy AS SELECT * FROM visits WHERE n > 5;
  CREATE MATERIALIZED VIEW totals AS SELECT sum(n) FROM visits;
  CREATE FUNCTION brew() RETURNS text LANGUAGE sql AS $$ SELECT 'brewed' $$;
  CREATE SEQUENCE receipts START 9007199254740993; SELECT nextval('receipts');
  CREATE SEQUENCE untouched;
  ${LARGE_OBJECTS}
  ALTER TABLE visits OWNER TO staff; GRANT SELECT ON base TO staff;
  GRANT USAGE ON SCHEMA "Früh schicht" TO staff; GRANT SELECT ON "Früh schicht"."Bestellung." TO staff;
`;

/** Partitions that refer to partitions, an inherited check, a constraint trigger, an extension's operator class. */
const INTRICATE = `
  CREATE EXTENSION btree_gist;
  CREATE TYPE span AS RANGE (subtype = date);
  CREATE TABLE bookings (room int CONSTRAINT positive CHECK (room > 0), during daterange,
    CONSTRAINT no_overlap EXCLUDE USING gist (room WITH =, during WITH &&));
  CREATE TABLE special_bookings () INHERITS (bookings);
  CREATE TABLE tabs (day date, n int, PRIMARY KEY (day, n)) PARTITION BY RANGE (day);
  CREATE TABLE tabs_2025 PARTITION OF tabs FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
  CREATE TABLE tabs_2026 PARTITION OF tabs FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
  CREATE TABLE lines (day date, n int, line int, PRIMARY KEY (day, line),
    FOREIGN KEY (day, n) REFERENCES tabs) PARTITION BY RANGE (day);
  CREATE TABLE lines_2025 PARTITION OF lines FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
  CREATE TABLE odd_lines (LIKE lines);
  ALTER TABLE odd_lines ADD CONSTRAINT its_own_name FOREIGN KEY (day, n) REFERENCES tabs;
  ALTER TABLE lines ATTACH PARTITION odd_lines FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
  CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
  CREATE CONSTRAINT TRIGGER late AFTER INSERT ON lines DEFERRABLE FOR EACH ROW EXECUTE FUNCTION look();
  INSERT INTO tabs VALUES ('2025-05-05', 1), ('2026-05-05', 2);
  INSERT INTO lines VALUES ('2025-05-05', 1, 1), ('2026-05-05', 2, 1);
`;

describePostgres('host stack, as PostgreSQL alone can be', () => {
  let here: HostHarness;
  let there: HostHarness;
  beforeAll(async () => {
    [here, there] = await Promise.all([makeHostHarness(), makeHostHarness()]);
  });
  afterAll(() => Promise.all([here?.cleanup(), there?.cleanup()]));
  beforeEach(() => Promise.all([here.reset(), there.reset()]));

  /** The other server's stack, on a machine of two processors. */
  const withJobs = (folder = there.directory) =>
    createHostStack({ ...there.options, spool: { folder, jobs: 2 } });

  const pgDump = (...args: string[]): Buffer =>
    execFileSync(
      'pg_dump',
      ['-h', '127.0.0.1', '-p', `${here.cluster.port}`, '-U', 'postgres', ...args, 'shop'],
      { env: { ...process.env, PGPASSWORD: here.options.database.password } },
    );
  const plainManifest = async () => {
    const {
      inventory: _,
      surroundings: __,
      ...adopted
    } = (await dump(here.stack.database)).manifest;
    return { ...adopted, format: 'plain' as const };
  };

  test('what PostgreSQL names anew in a restore, and what an extension brings, makes no difference', async () => {
    await here.cluster.psql(INTRICATE, 'shop');
    const { facts, manifest, content } = await dump(here.stack.database);
    expect(facts.inventory.extensions).toEqual({ btree_gist: expect.stringMatching(/^\d/) });
    expect(facts.inventory.constraints).toEqual({
      'public.bookings.no_overlap': 'EXCLUDE',
      'public.bookings.positive': 'CHECK',
      'public.lines.lines_pkey': 'PRIMARY KEY',
      'public.lines.lines_day_n_fkey': 'FOREIGN KEY',
      'public.lines.late': 'TRIGGER',
      'public.lines_2025.late': 'TRIGGER',
      'public.odd_lines.late': 'TRIGGER',
      'public.special_bookings.positive': 'CHECK',
      'public.tabs.tabs_pkey': 'PRIMARY KEY',
    });
    const { database } = there.stack;
    await database.restore(Readable.from([content]), manifest, never);
    const found = await database.inventory('incoming');
    expect(found).toEqual(facts.inventory);

    const [name, version] = Object.entries(found.extensions ?? {})[0] ?? [];
    const newer = { ...found, extensions: { [`${name}`]: `${version}.1` } };
    expect(inventoryDifferences(facts.inventory, newer)).toEqual([]);
    const without = { ...found, extensions: {} };
    expect(inventoryDifferences(facts.inventory, without)).toEqual([
      'extension btree_gist: expected installed, found none',
    ]);
    const { constraints: _, extensions: __, owners: ___, ...older } = facts.inventory;
    expect(inventoryDifferences(older, found)).toEqual([]);
  });

  test('another server gets all of it: data, roles with their passwords, settings, owner', async () => {
    await here.cluster.psql(COFFEE_SHOP);
    await here.cluster.psql(SHOP, 'shop');
    const { facts, manifest, content } = await dump(here.stack.database);
    expect(facts.inventory).toEqual({
      rows: {
        'Früh schicht.Bestellung.': 300,
        'public.visits_2025': 2,
        'public.visits_2026': 8,
        'public.base': 1,
        'public.heir': 2,
      },
      sequences: {
        'Früh schicht.Bestellung._id_seq': { last: '300', called: true },
        'public.receipts': { last: '9007199254740993', called: true },
        'public.untouched': { last: '1', called: false },
      },
      largeObjects: 2,
      partitionOf: {
        'public.visits_2025': 'public.visits',
        'public.visits_2026': 'public.visits',
      },
      constraints: { 'Früh schicht.Bestellung..Bestellung._pkey': 'PRIMARY KEY' },
      extensions: {},
      owners: {
        'Früh schicht': 'postgres',
        'Früh schicht.Bestellung.': 'postgres',
        'Früh schicht.Bestellung._id_seq': 'postgres',
        'public.base': 'postgres',
        'public.brew()': 'postgres',
        'public.busy': 'postgres',
        'public.heir': 'postgres',
        'public.receipts': 'postgres',
        'public.totals': 'postgres',
        'public.untouched': 'postgres',
        'public.visits': 'staff',
        'public.visits_2025': 'postgres',
        'public.visits_2026': 'postgres',
      },
      secondary: { 'materialized view public.totals': 'materialized view' },
    });

    const database = there.stack.database;
    // What crosses the wire is JSON.
    const received = JSON.parse(JSON.stringify(manifest));
    await database.restore(Readable.from([content]), received, never);
    await database.restore(Readable.from([content]), received, never);
    expect(await database.inventory('incoming')).toEqual(facts.inventory);
    await database.swap(MARKER, 'kept');

    const again = await dump(database);
    const withoutRoles = { ...facts.surroundings, roles: [] };
    expect({ ...again.facts.surroundings, roles: [] }).toEqual(withoutRoles);
    // Roles that were there before keep their own password.
    const arrived = ({ roles }: DatabaseGlobals) => roles.filter(({ name }) => name !== 'postgres');
    expect(arrived(again.facts.surroundings)).toEqual(arrived(facts.surroundings));
    expect(arrived(facts.surroundings)).toEqual([
      expect.objectContaining({ name: "Chef d'Équipe", bypassRls: false, settings: {} }),
      expect.objectContaining({
        name: 'staff',
        bypassRls: true,
        inherit: false,
        replication: true,
        connectionLimit: 7,
        validUntil: '2031-02-03T03:05:06.789000Z',
        settings: { statement_timeout: '5s', search_path: '"$user", "Früh schicht"' },
      }),
    ]);
    const chef = await there.connect('shop', { user: "Chef d'Équipe", password: 'espresso 7' });
    const { rows } = await chef.query(
      `SELECT extras->>'milk' AS milk, encode(photo, 'hex') AS photo, gross::text,
              current_setting('shop.currency') AS currency, brew() FROM "Bestellung." WHERE id = 300`,
    );
    expect(rows).toEqual([
      {
        milk: 'Hafer ☕',
        photo: '00ff5c0a',
        gross: '357.0000',
        currency: "it's €",
        brew: 'brewed',
      },
    ]);
  });

  test('a frozen database keeps its freeze to itself', async () => {
    await here.stack.database.freeze();
    const { facts } = await dump(here.stack.database);
    expect(facts.surroundings.settings).toEqual({});
  });

  test('the marker stands beside what the owner wrote', async () => {
    await here.cluster.psql(`COMMENT ON DATABASE shop IS 'call Ann''s \\ desk'`);
    await here.stack.database.mark(MARKER);
    await here.stack.database.mark({ ...MARKER, epoch: 4 });
    const comment = await here.cluster.psql(
      `SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'shop'`,
    );
    expect(comment).toMatch(/^call Ann's \\ desk\ncoldspare:\{.*"epoch":4.*\}\n$/);
    expect((await here.stack.database.live()).marker).toEqual({ ...MARKER, epoch: 4 });
  });

  describe('plain dumps of the old scripts', () => {
    test('one that is whole is restored', async () => {
      await here.cluster.psql(SHOP.replace(/ALTER TABLE visits OWNER[\s\S]*/, ''), 'shop');
      const content = pgDump();
      expect(content.toString()).toContain('\\restrict');
      await there.stack.database.restore(Readable.from([content]), await plainManifest(), never);
      expect(await there.stack.database.inventory('incoming')).toEqual(
        await here.stack.database.inventory(),
      );
    });

    test('h05: one that is cut between two statements is refused, though psql calls it a success', async () => {
      await here.cluster.psql(
        'CREATE TABLE orders (id int); INSERT INTO orders VALUES (1)',
        'shop',
      );
      const content = pgDump();
      const cut = content.subarray(
        0,
        content.lastIndexOf('--\n-- PostgreSQL database dump complete'),
      );
      await expect(
        there.stack.database.restore(Readable.from([cut]), await plainManifest(), never),
      ).rejects.toMatchObject({ code: 'backup-unusable' });
      expect(await there.stack.database.others()).toEqual([]);
    });

    test('one that would connect to the live database itself is refused before it does', async () => {
      await here.cluster.psql('CREATE TABLE orders (id int)', 'shop');
      await expect(
        there.stack.database.restore(
          // In small pieces, so that the line is never in one of them.
          Readable.from(
            pgDump('--create', '--clean')
              .toString()
              .match(/[\s\S]{1,3}/g) ?? [],
          ),
          await plainManifest(),
          never,
        ),
      ).rejects.toMatchObject({ code: 'backup-unusable' });
      expect(await there.stack.database.inventory()).toMatchObject({ rows: {} });
      expect(await there.stack.database.others()).toEqual([]);
    });

    test('one with an error in it is refused', async () => {
      const content = Buffer.from('SELECT 1/0;\n--\n-- PostgreSQL database dump complete\n--\n');
      await expect(
        there.stack.database.restore(Readable.from([content]), await plainManifest(), never),
      ).rejects.toThrow('division by zero');
      expect(await there.stack.database.others()).toEqual([]);
    });
  });

  test('the server ends the session of a restore: that says nothing about the backup', async () => {
    await here.cluster.psql(
      'CREATE TABLE orders AS SELECT md5(n::text) FROM generate_series(1, 20000) n',
      'shop',
    );
    const { manifest, content } = await dump(here.stack.database);
    const slow = Readable.from(
      (async function* () {
        yield content.subarray(0, content.length / 2);
        await vi.waitFor(async () => {
          const ended = await there.cluster.psql(
            `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = 'shop_incoming' AND query LIKE 'COPY %'`,
          );
          expect(ended).toBe('t\n');
        }, 20_000);
        yield content.subarray(content.length / 2);
      })(),
    );
    await expect(there.stack.database.restore(slow, manifest, never)).rejects.toMatchObject({
      code: 'database-failed',
      message: expect.stringContaining('could not restore'),
    });
    expect(await there.stack.database.others()).toEqual([]);
  });

  test('a large backup is restored by several jobs, and its file does not stay', async () => {
    const { database } = withJobs();
    await here.cluster.psql(`${LARGE_OBJECTS} ${CROCKERY}`, 'shop');
    const { facts, manifest, content } = await dump(here.stack.database);
    const seen = await watchProcesses(database.restore(Readable.from([content]), manifest, never));
    expect([...seen].some((line) => /pg_restore .*--jobs=2/.test(line))).toBe(true);
    expect(await database.inventory('incoming')).toEqual(facts.inventory);
    expect(await readdir(there.directory)).not.toContain('coldspare-restore.dump');
    await database.swap(MARKER, 'kept');
    const again = await dump(database);
    expect(again.facts.inventory).toEqual(facts.inventory);
  });

  test('a large backup that is torn, or broken inside, is not restored by several jobs either', async () => {
    const { database } = withJobs();
    await here.cluster.psql(CROCKERY, 'shop');
    const { manifest, content } = await dump(here.stack.database);
    const torn = Readable.from(
      (async function* () {
        yield content;
        throw new Error('the digest is another one');
      })(),
    );
    await expect(database.restore(torn, manifest, never)).rejects.toMatchObject({
      code: 'backup-unusable',
    });
    const broken = Buffer.from(content).fill(7, content.length / 2, content.length / 2 + 100_000);
    await expect(database.restore(Readable.from([broken]), manifest, never)).rejects.toMatchObject({
      code: 'backup-unusable',
    });
    expect(await database.others()).toEqual([]);
    expect(await readdir(there.directory)).not.toContain('coldspare-restore.dump');
  });

  test('without room for a file, a large backup is restored from the stream', async () => {
    const { database } = withJobs('/dev/full');
    await here.cluster.psql(CROCKERY, 'shop');
    const { facts, manifest, content } = await dump(here.stack.database);
    await database.restore(Readable.from([content]), manifest, never);
    expect(await database.inventory('incoming')).toEqual(facts.inventory);
  });

  test('a dump is compressed fast, as its pg_dump can', async () => {
    const { content } = await dump(here.stack.database);
    const listed = execFileSync('pg_restore', ['--list'], { input: content }).toString();
    expect(listed).toMatch(/^; +Compression: (1|gzip|zstd)$/m);
  });

  test('a dump that this pg_restore is too old for is unusable, in its own words', async () => {
    const { manifest, content } = await dump(here.stack.database);
    // The archive's version: "PGDMP", major, minor.
    content.writeUInt8(99, 6);
    await expect(
      there.stack.database.restore(Readable.from([content]), manifest, never),
    ).rejects.toMatchObject({
      code: 'backup-unusable',
      message: expect.stringContaining('unsupported version (1.99) in file header'),
    });
    expect(await there.stack.database.others()).toEqual([]);
  });

  test('a locale that this machine lacks is named, and nothing stays', async () => {
    const { facts, content } = await dump(here.stack.database);
    const surroundings = { ...facts.surroundings, collate: 'xx_XX.UTF-8', ctype: 'xx_XX.UTF-8' };
    await expect(
      there.stack.database.restore(
        Readable.from([content]),
        manifestOf({ ...facts, surroundings }, content),
        never,
      ),
    ).rejects.toMatchObject({
      code: 'database-failed',
      remedy: expect.stringContaining('xx_XX.UTF-8'),
    });
    expect(await there.stack.database.others()).toEqual([]);
  });

  test('power is lost: the freeze and the marker are still there', async () => {
    await here.stack.database.mark(MARKER);
    await here.stack.database.freeze();
    await here.cluster.killHard();
    await here.stack.database.start(never);
    const client = await here.connect();
    await expect(client.query('CREATE TABLE late (id int)')).rejects.toThrow('read-only');
    expect((await here.stack.database.live()).marker).toEqual(MARKER);
  });

  test.each([
    ['TRUNCATE', 'TRUNCATE orders'],
    ['a new table', 'CREATE TABLE more (id int)'],
    ['a large object', `SELECT lo_from_bytea(0, '\\x01')`],
  ])(
    '%s counts as a write even from a client that asks for a writable transaction',
    async (_name, sql) => {
      await here.cluster.psql(
        'CREATE TABLE orders (id int); INSERT INTO orders VALUES (1)',
        'shop',
      );
      await here.stack.database.freeze();
      const before = await here.stack.database.writes();
      const client = await here.connect();
      await client.query('BEGIN READ WRITE');
      await client.query(sql);
      await client.query('COMMIT');
      expect(await here.stack.database.writes()).toBeGreaterThan(before);
    },
  );

  test('h20: a server that hangs does not answer, and nobody waits for it', async () => {
    await here.cluster.hang();
    const asked = performance.now();
    try {
      expect(await here.stack.database.answers()).toBe(false);
    } finally {
      await here.cluster.wake();
    }
    expect(performance.now() - asked).toBeLessThan(12_000);
    expect(await here.stack.database.answers()).toBe(true);
  });

  test('h24: a start command that says yes while nothing answers is a failed start', async () => {
    const stack = createHostStack({
      ...here.options,
      databaseCommands: { start: 'true', stop: here.cluster.stopCommand },
      timeouts: { start: 1_000 },
    });
    await stack.database.stop(never);
    await expect(stack.database.start(never)).rejects.toMatchObject({
      code: 'database-unreachable',
    });
  });

  test('a restore ahead of time has statistics for the planner, one on trial needs none', async () => {
    await here.cluster.psql(
      'CREATE TABLE orders AS SELECT n AS id FROM generate_series(1, 1000) n',
      'shop',
    );
    const { manifest, content } = await dump(here.stack.database);
    const { database } = there.stack;
    const columns = (name: string) =>
      there.cluster.psql("SELECT count(*) FROM pg_stats WHERE tablename = 'orders'", name);
    const restore = (staging: 'incoming' | 'drill') =>
      database.restore(Readable.from([content]), manifest, never, { gently: true, staging });
    await restore('incoming');
    expect(await columns('shop_incoming')).toBe('1\n');
    await restore('drill');
    expect(await columns('shop_drill')).toBe('0\n');
    await database.discard('drill');
  });

  test('an index that the planner cannot look into is no reason to be without the backup', async () => {
    await here.cluster.psql(
      `CREATE FUNCTION half(n int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT n / 2';
       CREATE FUNCTION quarter(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql
         AS 'BEGIN IF current_setting(''shop.open'', true) IS NULL THEN RAISE ''closed''; END IF; RETURN n; END';
       CREATE TABLE orders (id int);
       SET shop.open = 'yes'; CREATE INDEX ON orders (quarter(id)); INSERT INTO orders VALUES (1)`,
      'shop',
    );
    await here.cluster.psql("ALTER DATABASE shop SET shop.open = 'yes'");
    const { facts, manifest, content } = await dump(here.stack.database);
    await here.cluster.psql('ALTER DATABASE shop RESET ALL');
    const { database } = there.stack;
    await database.restore(Readable.from([content]), manifest, never, { gently: true });
    expect(await database.inventory('incoming')).toEqual(facts.inventory);
  });

  test('time-outs of the role and of the database end none of the agent’s own transactions', async () => {
    const names = ['statement_timeout', 'idle_in_transaction_session_timeout', 'lock_timeout'];
    // Since 17.
    const later = "SELECT count(*) FROM pg_settings WHERE name = 'transaction_timeout'";
    if ((await here.cluster.psql(later)) === '1\n') names.push('transaction_timeout');
    await here.cluster.psql(
      "CREATE TABLE orders AS SELECT n AS id, n * interval '1 s' AS took FROM generate_series(1, 500000) n",
      'shop',
    );
    await here.cluster.psql(
      names.map((name) => `ALTER DATABASE shop SET ${name} = '300ms'`).join('; '),
    );
    const { facts, manifest, content } = await dump(here.stack.database);
    expect(facts.values).toBeDefined();
    await here.stack.database.restore(Readable.from([content]), manifest, never);
    expect(await here.stack.database.inventory('incoming')).toEqual(facts.inventory);
    await here.stack.database.discard();
  });

  test('where tables lie is each server’s own business', async () => {
    await here.cluster.psql(
      "SET allow_in_place_tablespaces = on;\nCREATE TABLESPACE fast LOCATION ''",
    );
    await here.cluster.psql('CREATE TABLE orders (id int PRIMARY KEY) TABLESPACE fast', 'shop');
    const { facts, manifest, content } = await dump(here.stack.database);
    const { database } = there.stack;
    await database.restore(Readable.from([content]), manifest, never);
    expect(await database.inventory('incoming')).toEqual(facts.inventory);
    await here.cluster.psql('DROP TABLE orders', 'shop');
    await here.cluster.psql('DROP TABLESPACE fast');
  });

  test('a database without an encoding is dumped with whatever bytes it holds', async () => {
    await here.cluster.psql('DROP DATABASE shop');
    await here.cluster.psql(
      "CREATE DATABASE shop TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'",
    );
    await here.cluster.psql(
      "CREATE TABLE notes (text text); INSERT INTO notes VALUES (E'caf\\xe9')",
      'shop',
    );
    const { facts, manifest, content } = await dump(here.stack.database);
    const { database } = there.stack;
    await database.restore(Readable.from([content]), manifest, never);
    expect(await database.inventory('incoming')).toEqual(facts.inventory);
    expect(
      await there.cluster.psql(
        "SELECT encode(convert_to(text, 'SQL_ASCII'), 'hex') FROM notes",
        'shop_incoming',
      ),
    ).toBe('636166e9\n');
  });

  test('a table that is emptied during a dump is counted as it is in the dump', async () => {
    await here.cluster.psql(
      'CREATE TABLE a AS SELECT n FROM generate_series(1, 1000) n; CREATE TABLE b AS TABLE a',
      'shop',
    );
    const guest = await here.connect();
    await guest.query('BEGIN; LOCK TABLE a IN ACCESS EXCLUSIVE MODE');
    const dumped = dump(here.stack.database);
    const asked = `SELECT count(*) FROM pg_stat_activity
      WHERE application_name = 'coldspare' AND query LIKE 'ROLLBACK%'`;
    await vi.waitFor(async () => expect(await here.cluster.psql(asked)).toBe('1\n'), 20_000);
    // The dump has no snapshot yet that could see what is gone.
    await guest.query('TRUNCATE b; COMMIT');
    const { facts, manifest, content } = await dumped;
    expect(facts.inventory.rows).toEqual({ 'public.a': 1000, 'public.b': 0 });
    const { database } = there.stack;
    await database.restore(Readable.from([content]), manifest, never);
    expect(await database.inventory('incoming')).toEqual(facts.inventory);
  });

  test('somebody waits to empty a table, and pg_dump behind him: it makes way, and readers go on', async () => {
    await here.cluster.psql('CREATE TABLE queue (id int)', 'shop');
    const programs = await mkdtemp(join(here.directory, 'programs-'));
    for (const tool of ['psql', 'pg_restore'])
      await symlink(join(PROGRAMS ?? '', tool), join(programs, tool));
    const [hasCome, mayGo] = [join(programs, 'come'), join(programs, 'go')] as const;
    // From 16 on, it is first asked what it can.
    const slow = `#!/bin/sh
      case "$*" in *--snapshot=*) : > ${hasCome}; until [ -e ${mayGo} ]; do sleep 0.05; done;; esac
      exec ${PROGRAMS}/pg_dump "$@"`;
    await writeFile(join(programs, 'pg_dump'), slow, { mode: 0o755 });
    const { database } = createHostStack({ ...here.options, programs });

    const dumped = dump(database).catch((error: unknown) => error);
    await expect.poll(() => existsSync(hasCome)).toBe(true);
    const [writer, reader] = await Promise.all([here.connect(), here.connect()]);
    const emptied = writer.query('TRUNCATE queue');
    const waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    await expect.poll(() => here.cluster.psql(waiting)).toBe('1\n');
    const read = reader.query('SELECT * FROM queue');
    await writeFile(mayGo, '');
    expect(await dumped).toMatchObject({ code: 'database-failed', value: BLOCKED });
    await Promise.all([emptied, read]);
    expect((await dump(database)).facts.inventory.rows).toEqual({ 'public.queue': 0 });
  });

  test('an extension that this machine lacks says nothing about the backup', async () => {
    await here.cluster.psql('CREATE EXTENSION citext', 'shop');
    const { manifest, content } = await dump(here.stack.database);
    // Of the same length, so that the rest of the file stays where it is.
    const other = Buffer.from(content.toString('latin1').replaceAll('citext', 'latte7'), 'latin1');
    await expect(
      there.stack.database.restore(Readable.from([other]), manifest, never),
    ).rejects.toMatchObject({
      code: 'database-failed',
      message: expect.stringContaining('latte7'),
    });
  });

  test('a database that subscribes to another is restored without its subscription, and the copy can be dropped', async () => {
    await here.cluster.psql(
      `CREATE TABLE orders (id int);
       CREATE SUBSCRIPTION s CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false)`,
      'shop',
    );
    const { manifest, content } = await dump(here.stack.database);
    const { database } = there.stack;
    for (let drill = 1; drill <= 2; drill += 1) {
      await database.restore(Readable.from([content]), manifest, never, { staging: 'drill' });
      await database.discard('drill');
    }
    expect(await there.cluster.psql('SELECT count(*) FROM pg_subscription')).toBe('0\n');
    await here.cluster.psql(
      'ALTER SUBSCRIPTION s SET (slot_name = NONE); DROP SUBSCRIPTION s',
      'shop',
    );
  });

  test('a check that an heir has validated and its parent has not is no difference', async () => {
    await here.cluster.psql(
      `CREATE TABLE drinks (n int);
       CREATE TABLE coffees () INHERITS (drinks);
       ALTER TABLE drinks ADD CONSTRAINT positive CHECK (n > 0) NOT VALID;
       ALTER TABLE coffees VALIDATE CONSTRAINT positive`,
      'shop',
    );
    const { facts, manifest, content } = await dump(here.stack.database);
    const { database } = there.stack;
    await database.restore(Readable.from([content]), manifest, never);
    expect(inventoryDifferences(facts.inventory, await database.inventory('incoming'))).toEqual([]);
  });

  test('a prepared transaction that nobody ends is named, and keeps no user out after the freeze', async () => {
    const { database } = here.stack;
    await here.cluster.psql('ALTER SYSTEM SET max_prepared_transactions = 5');
    await database.stop(never);
    await database.start(never);
    await here.cluster.psql(
      `CREATE TABLE orders (id int); BEGIN; INSERT INTO orders VALUES (1); PREPARE TRANSACTION 'orphan'`,
      'shop',
    );
    await expect(database.freeze()).rejects.toMatchObject({
      code: 'database-failed',
      message: expect.stringContaining('orphan of postgres'),
      remedy: expect.stringContaining("ROLLBACK PREPARED 'orphan'"),
    });
    await database.thaw();
    const client = await here.connect();
    await client.query('INSERT INTO orders VALUES (2)');
    await here.cluster.psql("ROLLBACK PREPARED 'orphan'", 'shop');
    await database.freeze();
  });

  test('h21: a write that waits for a lock is not done when whoever has it is ended by the freeze', async () => {
    const { database } = here.stack;
    await here.cluster.psql('CREATE TABLE orders (id int)', 'shop');
    const locker = await here.connect();
    await locker.query('BEGIN; LOCK TABLE orders');
    const waiting = await Promise.all(Array.from({ length: 12 }, () => here.connect()));
    const writes = waiting.map((client, id) =>
      client.query(`INSERT INTO orders VALUES (${id})`).catch(String),
    );
    const blocked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    await vi.waitFor(async () => expect(await here.cluster.psql(blocked)).toBe('12\n'), 20_000);
    await database.freeze();
    await Promise.all(writes);
    expect(await here.cluster.psql('SELECT count(*) FROM orders', 'shop')).toBe('0\n');
  });

  test('a server that is still on its way down is started again when it is there', async () => {
    const { database } = here.stack;
    const guest = await here.connect();
    const sessions = "SELECT 1 FROM pg_stat_activity WHERE backend_type = 'client backend'";
    await vi.waitFor(async () => expect((await guest.query(sessions)).rowCount).toBe(1), 20_000);
    const smart = here.cluster.stopCommand.replace(' -m fast -w ', ' -m smart -W ');
    expect(smart).not.toBe(here.cluster.stopCommand);
    await runCommand(splitCommand(smart), { timeout: 10_000 });
    // Whoever is in may stay, and nobody else gets in, until the last one has left.
    await vi.waitFor(() => expect(here.connect()).rejects.toThrow('shutting down'), 20_000);
    const started = database.start(never);
    await vi.waitFor(async () => expect(await database.answers()).toBe(false));
    await guest.end();
    await started;
    expect(await database.answers()).toBe(true);
  });

  /** Its server is gone after this, with what it had not written down. */
  const stopAtOnce = () => here.cluster.stopCommand.replace(' -m fast ', ' -m immediate ');
  const dataDirectory = () => /-D (\S+)/.exec(here.cluster.startCommand)?.[1] ?? '';

  test('a recovery takes longer than DB_START_TIMEOUT: it is waited for, not begun again', async () => {
    // It asks an archive that is slow, and has nothing.
    await here.cluster.psql("ALTER SYSTEM SET restore_command = 'sleep 1; false'");
    await here.stack.database.stop(never);
    await writeFile(join(dataDirectory(), 'recovery.signal'), '');
    const start = here.cluster.startCommand.replace(' -w start', ' -W start');
    const stack = createHostStack({
      ...here.options,
      databaseCommands: { start, stop: here.cluster.stopCommand },
      timeouts: { start: 1_000 },
    });
    const began = performance.now();
    await stack.database.start(never);
    expect(performance.now() - began).toBeGreaterThan(2_000);
    // It lets readers in before it is through.
    const isRecovering = 'SELECT pg_is_in_recovery()';
    await vi.waitFor(async () => expect(await here.cluster.psql(isRecovering)).toBe('f\n'), 20_000);
    await here.cluster.psql('ALTER SYSTEM RESET restore_command');
  });

  test('a service manager that does not wait: what was restored is written down before the stop', async () => {
    const { cluster, options } = here;
    await cluster.psql('CREATE TABLE filler AS SELECT generate_series(1, 100000)', 'shop');
    const written = await cluster.psql('SELECT pg_current_wal_insert_lsn()');
    const stack = createHostStack({
      ...options,
      databaseCommands: { start: cluster.startCommand, stop: stopAtOnce() },
    });
    await stack.database.stop(never);
    const control = await runAsPostgres(`${PROGRAMS}/pg_controldata ${dataDirectory()}`);
    const [, redo = ''] = /REDO location: +(\S+)/.exec(control) ?? [];
    expect(positionOf(redo)).toBeGreaterThanOrEqual(positionOf(written.trim()));
    await stack.database.start(never);
  });

  /** Of "1/2F00", as PostgreSQL writes positions in its log. */
  const positionOf = (text: string): bigint => {
    const [high = '0', low = '0'] = text.split('/');
    return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
  };

  test('a stop command that stops nothing is a failed stop', async () => {
    const stack = createHostStack({
      ...here.options,
      databaseCommands: { start: here.cluster.startCommand, stop: 'true' },
      timeouts: { stop: 1_000 },
    });
    await expect(stack.database.stop(never)).rejects.toMatchObject({ code: 'database-failed' });
  });

  test('a database service without commands is left running', async () => {
    const { databaseCommands: _, ...options } = here.options;
    const stack = createHostStack(options);
    await stack.database.start(never);
    await stack.database.stop(never);
    expect(await stack.database.answers()).toBe(true);
  });

  test('a wrong password is told, but not which', async () => {
    const stack = createHostStack({
      ...here.options,
      database: { ...here.options.database, password: 'decaf-13' },
    });
    const error = await stack.database.live().catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: 'database-failed' });
    expect(String(error)).toContain('password authentication failed');
    expect(JSON.stringify([error, String(error)])).not.toContain('decaf-13');
  });

  test('an app whose start command fails says with what', async () => {
    const stack = createHostStack({
      ...here.options,
      appCommands: { ...here.options.appCommands, start: `sh -c 'echo no beans >&2; exit 3'` },
    });
    await expect(stack.app.start(never)).rejects.toMatchObject({
      code: 'app-failed',
      message: 'sh exited with 3: no beans',
    });
  });
});

describePostgres('host stack with an odd database name', () => {
  const NAME = `it's a "Café" \\ dbname=x host=y`;
  let harness: HostHarness;
  beforeAll(async () => {
    harness = await makeHostHarness(NAME);
    await harness.reset();
  });
  afterAll(() => harness?.cleanup());

  test('it is dumped, restored, swapped and frozen like any other', async () => {
    const { database } = harness.stack;
    await harness.cluster.psql('CREATE DATABASE decoy');
    const client = await harness.connect();
    await client.query('CREATE TABLE orders (id int); INSERT INTO orders VALUES (1), (2)');
    const { manifest, content, facts } = await dump(database);
    await database.restore(Readable.from([content]), manifest, never);
    await database.freeze();
    expect(await database.swap(MARKER, `${NAME}; old`)).toEqual({ kept: true });
    expect(await database.live()).toMatchObject({ exists: true, marker: MARKER });
    expect(await database.inventory()).toEqual(facts.inventory);
    expect(await database.others()).toEqual(['decoy', `${NAME}; old`]);
    await database.drop(`${NAME}; old`);
    expect(await database.others()).toEqual(['decoy']);
  });
});
