import { Readable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { createHostStack } from '../../src/drivers/host/stack.js';
import { dump } from '../contract/stack-contract.js';
import { type HostHarness, makeHostHarness } from '../support/host-harness.js';
import { describePostgres } from '../support/postgres.js';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const never = new AbortController().signal;

/** Code of an ordinary role that makes itself a superuser wherever it may. On the primary it may not. */
const GREEDY = `
  CREATE FUNCTION bar.grab(step text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM bar.become(step);
      RETURN true;
    EXCEPTION WHEN OTHERS THEN RETURN true;
    END $$;
  CREATE FUNCTION bar.become(step text) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
      RESET SESSION AUTHORIZATION;
      EXECUTE format('CREATE ROLE %I SUPERUSER', 'owned_by_' || step);
    END $$;
  CREATE DOMAIN bar.cup AS text CHECK (bar.grab('domain') IS NOT NULL);
  CREATE TABLE bar.orders (id int PRIMARY KEY, cup bar.cup, amount int CHECK (bar.grab('check' || left(amount::text, 0))),
    doubled int GENERATED ALWAYS AS (CASE WHEN bar.grab('generated' || left(amount::text, 0)) THEN amount END) STORED);
  CREATE FUNCTION bar.whole(bar.orders) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$ SELECT bar.grab('row') $$;
  ALTER TABLE bar.orders ADD CONSTRAINT whole CHECK (bar.whole(orders));
  CREATE TABLE bar.folded (n int, same int GENERATED ALWAYS AS (CASE WHEN bar.grab('constant') THEN n END) STORED,
    other int GENERATED ALWAYS AS (CASE WHEN bar.whole(NULL::bar.orders) THEN n END) STORED);
  CREATE TABLE bar.parts (n int) PARTITION BY RANGE ((n + length(bar.grab('key')::text)));
  CREATE INDEX ON bar.orders ((bar.grab('index' || left(cup, 0))));
  CREATE MATERIALIZED VIEW bar.totals AS SELECT bar.grab('view' || left(n::text, 0)) FROM generate_series(1, 2) n;
  ALTER TABLE bar.orders ENABLE ROW LEVEL SECURITY;
  ALTER TABLE bar.orders FORCE ROW LEVEL SECURITY;
  CREATE POLICY mine ON bar.orders USING (bar.grab('policy'));
  INSERT INTO bar.orders SELECT n, 'small', n FROM generate_series(1, 3) n;
  SELECT lo_from_bytea(4711, 'x');
  GRANT SELECT ON LARGE OBJECT 4711 TO PUBLIC;
  COMMENT ON LARGE OBJECT 4711 IS 'the menu';
`;
/** A table of the superuser that uses it. */
const SHARED = `
  CREATE TABLE ledger (id bigserial, order_id int CHECK (bar.grab('foreign' || left(order_id::text, 0))));
  INSERT INTO ledger (order_id) VALUES (1);
`;

describePostgres('H45: code of the app runs while its backup is restored', () => {
  let harness: HostHarness;
  beforeAll(async () => {
    harness = await makeHostHarness();
  });
  afterAll(() => harness?.cleanup());
  beforeEach(() => harness.reset());

  const roles = async (where: string): Promise<string[]> =>
    (await harness.cluster.psql(`SELECT rolname FROM pg_roles WHERE ${where} ORDER BY 1`))
      .trim()
      .split('\n');

  test('it becomes no superuser', async () => {
    const { cluster } = harness;
    await cluster.psql("CREATE ROLE barista LOGIN PASSWORD 'milk'");
    await cluster.psql('CREATE SCHEMA bar AUTHORIZATION barista', 'shop');
    const app = await harness.connect('shop', { user: 'barista', password: 'milk' });
    await app.query(GREEDY);
    await cluster.psql(SHARED, 'shop');
    await cluster.psql('DROP ROLE IF EXISTS owned_by_foreign', 'shop');
    const { database } = createHostStack({
      ...harness.options,
      spool: { folder: harness.directory, jobs: 2 },
    });
    const { facts, manifest, content } = await dump(database);
    const notes: string[] = [];
    const note = (text: string) => void notes.push(text);
    await database.restore(Readable.from([content]), manifest, never, { gently: true, note });

    expect(await database.inventory('incoming')).toEqual(facts.inventory);
    expect(facts.inventory.rows).toEqual({
      'bar.folded': 0,
      'bar.orders': 3,
      'public.ledger': 1,
    });
    const definers = 'SELECT count(*) FROM pg_proc WHERE prosecdef';
    expect(await cluster.psql(definers, 'shop_incoming')).toBe('0\n');
    expect(await roles('rolsuper')).toEqual(['postgres']);
    expect(await roles("rolname LIKE 'owned%' OR rolname LIKE 'coldspare%'")).toEqual(['']);
    expect(notes).toEqual([]);
  });

  test('a function of the owner of the database does not pass for one of PostgreSQL', async () => {
    const { cluster, stack } = harness;
    await cluster.psql(
      "CREATE ROLE owner LOGIN PASSWORD 'milk'; ALTER DATABASE shop OWNER TO owner",
    );
    const app = await harness.connect('shop', { user: 'owner', password: 'milk' });
    // Its types fit better than those of the function that is meant.
    await app.query(`
      CREATE FUNCTION public.format(text, name) RETURNS text LANGUAGE plpgsql AS $$
        BEGIN CREATE ROLE owned_by_format SUPERUSER; RETURN ''; END $$`);
    await cluster.psql('CREATE DATABASE accounting');
    expect(await stack.database.uncarried?.()).toContain('the database accounting');
    expect(await roles("rolname LIKE 'owned%'")).toEqual(['']);
    await cluster.psql('DROP DATABASE accounting');
  });

  test('a server that lets no other login in says what that means', async () => {
    const { database } = harness.stack;
    await harness.cluster.psql('CREATE TABLE orders AS SELECT 1 AS id', 'shop');
    const { manifest, content } = await dump(database);
    const notes: string[] = [];
    // The stack of this harness has no place for the dump's file.
    const note = (text: string) => void notes.push(text);
    await database.restore(Readable.from([content]), manifest, never, { note });
    expect(notes).toEqual([expect.stringContaining('were loaded by DB_USER')]);
  });

  test('a manifest makes nobody a superuser, and nobody as good as one', async () => {
    const { database } = harness.stack;
    const { manifest, content, facts } = await dump(database);
    const stranger = {
      login: true,
      createDb: false,
      createRole: false,
      memberOf: ['pg_execute_server_program', 'postgres', 'pg_monitor'],
    };
    const planted = {
      ...manifest,
      surroundings: {
        ...facts.surroundings,
        roles: [{ ...stranger, name: 'mallory', superuser: true }],
      },
    };
    const notes: string[] = [];
    const note = (text: string) => void notes.push(text);
    await database.restore(Readable.from([content]), planted, never, { note });
    expect(await roles('rolsuper')).toEqual(['postgres']);
    expect(await roles("pg_has_role('mallory', oid, 'MEMBER')")).toEqual([
      'mallory',
      'pg_monitor',
      'pg_read_all_settings',
      'pg_read_all_stats',
      'pg_stat_scan_tables',
    ]);
    expect(notes.join()).toContain('ALTER ROLE "mallory" SUPERUSER');
    expect(notes.join()).toContain('GRANT "postgres" TO "mallory"');
    expect(notes.join()).toContain('GRANT "pg_execute_server_program" TO "mallory"');
  });
});
