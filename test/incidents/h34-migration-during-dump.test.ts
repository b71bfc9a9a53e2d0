import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { createHostStack } from '../../src/drivers/host/stack.js';
import { BLOCKED } from '../../src/ports/stack.js';
import { dump } from '../contract/stack-contract.js';
import { type HostHarness, makeHostHarness } from '../support/host-harness.js';
import { describePostgres } from '../support/postgres.js';
import { PROGRAMS } from '../support/postgres-tools.js';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const never = new AbortController().signal;
const blocked = { code: 'database-failed', value: BLOCKED };

/** Takes the first bytes and then no more: the dump would last for ever. */
const stalled = () => {
  let onFirst = () => {};
  const begun = new Promise<void>((resolve) => {
    onFirst = resolve;
  });
  return { sink: new Writable({ write: () => onFirst() }), begun };
};

describePostgres('H34: a migration during a dump', () => {
  let here: HostHarness;
  beforeAll(async () => {
    here = await makeHostHarness();
  });
  afterAll(() => here?.cleanup());
  beforeEach(async () => {
    await here.reset();
    await here.cluster.psql(
      `CREATE TABLE orders AS SELECT n, gen_random_uuid() AS a, gen_random_uuid() AS b
         FROM generate_series(1, 20000) n;
       CREATE TABLE coffees (id int);
       CREATE TABLE visits (day date) PARTITION BY RANGE (day)`,
      'shop',
    );
  });

  test.each([
    'ALTER TABLE orders ADD COLUMN note text',
    'DROP TABLE visits',
    'CREATE INDEX CONCURRENTLY ON orders (n)',
  ])('%s gets its lock while the dump is being copied, and readers go on', async (statement) => {
    const { sink, begun } = stalled();
    const dumped = here.stack.database.dump(sink, never).catch((error: unknown) => error);
    await begun;
    const [migration, reader] = await Promise.all([here.connect(), here.connect()]);
    const began = performance.now();
    await migration.query(statement);
    await reader.query('SELECT count(*) FROM orders');
    // Two seconds, and a machine that is busy.
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(await dumped).toMatchObject(blocked);
    // The backup is taken again later.
    expect((await dump(here.stack.database)).facts.inventory.rows['public.orders']).toBe(20_000);
  });

  test('one that holds a lock and wants another is not kept from it, and is no victim of a deadlock', async () => {
    const migration = await here.connect();
    await migration.query('BEGIN; ALTER TABLE orders ADD COLUMN note text');
    const dumped = dump(here.stack.database);
    const asked = `SELECT count(*) FROM pg_stat_activity
      WHERE application_name = 'coldspare' AND query LIKE 'ROLLBACK%'`;
    await expect.poll(() => here.cluster.psql(asked), { timeout: 20_000 }).toBe('1\n');
    await migration.query('ALTER TABLE coffees ADD COLUMN note text; COMMIT');
    expect((await dumped).facts.inventory.rows['public.coffees']).toBe(0);
  });

  test('pg_dump is the one that waited too long, among three hundred tables', async () => {
    const programs = await mkdtemp(join(tmpdir(), 'h34-'));
    await symlink(join(`${PROGRAMS}`, 'psql'), join(programs, 'psql'));
    const tables = Array.from({ length: 300 }, (_, n) => `public.customer_orders_${n}`).join(', ');
    const words = `pg_dump: error: query failed: ERROR:  canceling statement due to statement timeout
pg_dump: detail: Query was: LOCK TABLE ${tables} IN ACCESS SHARE MODE`;
    const file = join(programs, 'pg_dump');
    await writeFile(file, `#!/bin/sh\ncat >&2 <<'END'\n${words}\nEND\nexit 1\n`, { mode: 0o755 });
    try {
      const { database } = createHostStack({ ...here.options, programs });
      await expect(dump(database)).rejects.toMatchObject(blocked);
    } finally {
      await rm(programs, { recursive: true });
    }
  });

  test('a dump that finds a table locked makes way, and tells for whom', async () => {
    const migration = await here.connect();
    await migration.query('BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE');
    await expect(dump(here.stack.database)).rejects.toMatchObject({
      ...blocked,
      message: expect.stringContaining('public.orders'),
    });
    await migration.query('COMMIT');
  });
});
