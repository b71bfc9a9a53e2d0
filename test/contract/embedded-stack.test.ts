import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { layoutOf } from '../../scripts/embedded-stack/layout.js';
import { findProcesses } from '../../scripts/embedded-stack/processes.js';
import { readCatalog } from '../../scripts/embedded-stack/server/catalog.js';
import { createEmbeddedStack } from '../../scripts/embedded-stack/stack.js';
import type { Marker } from '../../src/domain/marker.js';
import { fetchProbe } from '../support/fetch-probe.js';
import { freePort } from '../support/postgres.js';
import { drawnTests, sample } from '../support/sample.js';
import { dump, type StackHarness, testStackContract } from './stack-contract.js';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const NAME = 'shop';
const DIST = new URL('../../dist/', import.meta.url).pathname;
const COFFEE_SHOP = join(DIST, 'scripts/embedded-stack/shop/server.js');
const MARKER: Marker = { lineage: 'lin-1', epoch: 3, backup: null, served: false };
const never = new AbortController().signal;

/** What `pg` sends with, message by message. */
interface Wire {
  once(event: 'dataRow', take: (message: { fields: unknown[] }) => void): void;
  parse(message: { text: string; name: string; types: number[] }): void;
  bind(message: { values: string[] }): void;
  execute(message: { portal: string; rows: number }): void;
  flush(): void;
  sync(): void;
}

/** Answers 200 whatever the database holds: the contract's tables are not the coffee shop's. */
const PLAIN_APP = `import { createServer } from 'node:http';
createServer((_request, response) => response.end('ok')).listen(Number(process.env.PORT));
`;

const makeHarness = async () => {
  const directory = await mkdtemp(join(tmpdir(), 'coldspare-embedded-'));
  const layout = layoutOf(directory);
  const port = await freePort();
  const appUrl = `http://127.0.0.1:${await freePort()}`;
  const plainApp = join(directory, 'app.mjs');
  await writeFile(plainApp, PLAIN_APP);
  const create = (appProgram: string) =>
    createEmbeddedStack({
      directory,
      database: { port, user: 'postgres', name: NAME },
      appHealthUrl: `${appUrl}/coffees`,
      appProgram,
      probe: fetchProbe,
      timeouts: { start: 60_000, stop: 5_000, query: 10_000, transfer: 60_000 },
    });
  const stack = create(plainApp);
  const open = async (options: pg.ClientConfig): Promise<pg.Client> => {
    const client = new pg.Client({ host: '127.0.0.1', user: 'postgres', ...options });
    client.on('error', () => {});
    await client.connect();
    return client;
  };
  const startAfresh = async () => {
    await stack.database.stop(never);
    await rm(layout.catalog, { force: true });
    await rm(layout.databases, { recursive: true, force: true });
    await stack.database.start(never);
  };
  return {
    stack,
    /** Another agent process on the same state. */
    create,
    layout,
    appUrl,
    port,
    name: NAME,
    connect: (database = NAME) =>
      database === NAME ? open({ port, database }) : openCopy(layout, database, open),
    reset: async () => {
      const { database } = stack;
      const isReady = (await database.answers()) && (await database.live()).exists;
      if (!isReady) return startAfresh();
      await database.thaw();
      for (const name of await database.others()) await database.drop(name);
      const client = await open({ port, database: NAME });
      // What a client has set stays: all of them share one session.
      await client.query('DISCARD ALL');
      await client.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
      await client.query(`COMMENT ON DATABASE ${NAME} IS NULL`);
      await client.end();
    },
    killDatabase: async () => {
      const pids = await findProcesses(layout.marks.database);
      expect(pids).toHaveLength(1);
      for (const pid of pids) process.kill(pid, 'SIGKILL');
    },
    cleanup: async () => {
      await stack.app.stop(never);
      await stack.database.stop(never);
      await rm(directory, { recursive: true });
    },
  } satisfies StackHarness & Record<string, unknown>;
};

/** Copies beside the live database are not served; this looks into one until the client ends. */
const openCopy = async (
  layout: ReturnType<typeof layoutOf>,
  database: string,
  open: (options: pg.ClientConfig) => Promise<pg.Client>,
): Promise<pg.Client> => {
  const entry = (await readCatalog(layout.catalog))?.[database];
  if (entry === undefined) throw new Error(`database "${database}" does not exist`);
  const db = await PGlite.create(join(layout.databases, entry.directory), { database: NAME });
  const server = new PGLiteSocketServer({ db, port: 0 });
  await server.start();
  const client = await open({ port: Number(server.getServerConn().split(':')[1]) });
  const end = client.end.bind(client);
  client.end = async () => {
    await end();
    await server.stop();
    await db.close();
  };
  return client;
};

/** One for all: to initialize a cluster takes longer than most of the tests. */
let harness: Awaited<ReturnType<typeof makeHarness>>;
beforeAll(async () => {
  harness = await makeHarness();
});
afterAll(() => harness?.cleanup());

describe('embedded stack', () => {
  const stopApp = () => harness.stack.app.stop(never);
  testStackContract(async () => ({ ...harness, cleanup: stopApp }), 0.1);
});

/** It is the demo's: the stacks that serve real data are tried in more of it. */
const drawn = drawnTests(0.2);

drawn.describe('embedded database', () => {
  let database: (typeof harness)['stack']['database'];

  beforeEach(async () => {
    database = harness.stack.database;
    await harness.reset();
  });

  const query = async <Row>(sql: string, values: unknown[] = []): Promise<Row[]> => {
    const client = await harness.connect();
    try {
      return (await client.query(sql, values)).rows as Row[];
    } finally {
      await client.end();
    }
  };
  const fill = (rows: number) =>
    query(`CREATE TABLE orders AS SELECT n AS id, repeat('flat white ', 20) AS drink
           FROM generate_series(1, ${rows}) n`);
  const count = async () =>
    (await query<{ n: number }>('SELECT count(*)::int AS n FROM orders'))[0]?.n;

  drawn.test(
    'the process is killed while three clients write, and every acknowledged row is there',
    async () => {
      await query('CREATE TABLE orders (id serial PRIMARY KEY, drink text)');
      await database.mark(MARKER);
      const acknowledged: number[] = [];
      const customer = async () => {
        const client = await harness.connect();
        const insert = 'INSERT INTO orders (drink) VALUES ($1) RETURNING id';
        try {
          for (;;)
            acknowledged.push((await client.query(insert, ['mocha'.repeat(200)])).rows[0].id);
        } catch {
          // The kill ends it.
        }
      };
      const customers = [customer(), customer(), customer()];
      await expect.poll(() => acknowledged.length, { timeout: 20_000 }).toBeGreaterThan(100);
      await harness.killDatabase();
      await Promise.all(customers);

      await database.start(never);
      const ids = new Set((await query<{ id: number }>('SELECT id FROM orders')).map((o) => o.id));
      expect(acknowledged.filter((id) => !ids.has(id))).toEqual([]);
      expect((await database.live()).marker).toEqual(MARKER);
    },
  );

  drawn.test(
    'the process is killed in the middle of a restore, and the live database is as it was',
    async () => {
      await fill(20_000);
      const { content, manifest } = await dump(database);
      const before = (await readdir(harness.layout.databases)).length;
      const restore = database.restore(Readable.from([content]), manifest, never);
      const outcome = expect(restore).rejects.toMatchObject({ code: 'database-unreachable' });
      const directories = () => readdir(harness.layout.databases);
      await expect.poll(async () => (await directories()).length).toBe(before + 1);
      await sleep(500);
      await harness.killDatabase();
      await outcome;

      await database.start(never);
      expect(await database.others()).toEqual([]);
      expect(await directories()).toHaveLength(1);
      expect(await count()).toBe(20_000);
    },
  );

  test.each(sample('killed in a swap', [0, 150, 400, 800], 1))(
    'the process is killed %i ms into a swap, and it has happened as a whole or not at all',
    async (delay) => {
      await fill(10);
      const { content, manifest } = await dump(database);
      await query('DELETE FROM orders WHERE id > 7');
      await database.restore(Readable.from([content]), manifest, never);
      const swap = database.swap(MARKER, 'shop_before').catch(() => undefined);
      await sleep(delay);
      await harness.killDatabase();
      const outcome = await swap;

      await database.start(never);
      const { marker } = await database.live();
      const hasHappened = marker !== undefined;
      if (outcome !== undefined) expect(hasHappened).toBe(true);
      expect(await count()).toBe(hasHappened ? 10 : 7);
      expect(await database.others()).toEqual([hasHappened ? 'shop_before' : 'shop_incoming']);
    },
  );

  drawn.test(
    'a client resets its session, and cannot write to a frozen database all the same',
    async () => {
      await fill(1);
      await database.freeze();
      const client = await harness.connect();
      await client.query('DISCARD ALL');
      await expect(client.query('DELETE FROM orders')).rejects.toThrow('read-only transaction');
      await client.end();
    },
  );

  drawn.test(
    'clients that vanish in a transaction while their session ends do not take the server with them',
    async () => {
      await fill(1);
      // At several points of the session's end.
      for (const after of [0, 5]) {
        const client = await harness.connect();
        client.on('error', () => {});
        await client.query('BEGIN');
        await client.query('SELECT count(*) FROM orders');
        const frozen = database.freeze();
        await new Promise((resolve) => setTimeout(resolve, after));
        (client as unknown as { connection: { stream: Socket } }).connection.stream.destroy();
        await frozen;
        await database.thaw();
      }
      expect(await count()).toBe(1);
    },
  );

  drawn.test(
    'values and functions that look like psql commands come back letter for letter',
    async () => {
      const drink = 'flat\n\\restrict white\n\\unrestrict\n\\\\ \'quoted\' "ü" $1';
      await query('CREATE TABLE orders (id int, drink text)');
      await query('INSERT INTO orders VALUES (1, $1)', [drink]);
      await query(
        `CREATE FUNCTION said() RETURNS text LANGUAGE sql AS $$ SELECT 'a\n\\restrict b\n' $$`,
      );
      const { content, manifest } = await dump(database);
      await database.restore(Readable.from([content]), manifest, never);
      await database.swap(MARKER, 'shop_before');
      expect(await query('SELECT drink, said() FROM orders')).toEqual([
        { drink, said: 'a\n\\restrict b\n' },
      ]);
    },
  );

  drawn.test('roles, owner and settings come back with the data', async () => {
    await query(`CREATE ROLE owner LOGIN PASSWORD 'secret'`);
    await query('CREATE ROLE reader IN ROLE owner');
    await query('CREATE TABLE orders (id int)');
    await query('ALTER TABLE orders OWNER TO owner');
    await query('GRANT SELECT ON orders TO reader');
    await query('ALTER DATABASE shop OWNER TO owner');
    await query('ALTER DATABASE shop SET search_path TO public, "$user"');
    const { content, manifest } = await dump(database);
    await database.restore(Readable.from([content]), manifest, never);
    await database.swap(MARKER, 'shop_before');
    const { facts } = await dump(database);
    expect(facts.surroundings).toEqual(manifest.surroundings);
    expect(facts.surroundings.settings).toEqual({ search_path: 'public, "$user"' });
  });

  drawn.test('what a client has set and prepared is still there after a dump', async () => {
    await fill(3);
    const client = await harness.connect();
    const prepared = { name: 'by-id', text: 'SELECT id FROM public.orders WHERE id = $1' };
    await client.query(`SET search_path = pg_catalog; SET DateStyle = 'German'`);
    await client.query(prepared, [1]);
    await dump(database);
    expect((await client.query(prepared, [2])).rows).toEqual([{ id: 2 }]);
    expect((await client.query('SHOW search_path')).rows).toEqual([{ search_path: 'pg_catalog' }]);
    expect((await client.query('SHOW DateStyle')).rows).toEqual([{ DateStyle: 'German, DMY' }]);
    await client.end();
  });

  drawn.test(
    'a client pauses between statement and values, and no other client comes in between',
    async () => {
      const slow = await harness.connect();
      const other = await harness.connect();
      const { connection: wire } = slow as unknown as { connection: Wire };
      const answer = new Promise<string>((resolve) =>
        wire.once('dataRow', ({ fields }) => resolve(String(fields[0]))),
      );
      wire.parse({ text: `SELECT 'slow ' || $1::text`, name: '', types: [] });
      wire.flush();
      await sleep(200);
      const others = other.query(`SELECT 'other ' || $1::text AS answer`, ['other']);
      await sleep(200);
      wire.bind({ values: ['slow'] });
      wire.execute({ portal: '', rows: 0 });
      wire.sync();
      expect(await answer).toBe('slow slow');
      expect((await others).rows).toEqual([{ answer: 'other other' }]);
      await Promise.all([slow.end(), other.end()]);
    },
  );

  drawn.test(
    'a client that goes away in the middle of a transaction takes nothing with it and blocks nobody',
    async () => {
      await fill(2);
      const client = await harness.connect();
      await client.query('BEGIN');
      await client.query('DELETE FROM orders');
      await expect(client.query('SELECT nonsense')).rejects.toThrow();
      (
        client as unknown as { connection: { stream: { destroy(): void } } }
      ).connection.stream.destroy();
      expect(await count()).toBe(2);
    },
  );

  drawn.test('a dump waits for an open transaction, and gives up with a reason', async () => {
    await fill(2);
    const client = await harness.connect();
    await client.query('BEGIN');
    await client.query('DELETE FROM orders');
    await expect(dump(database)).rejects.toMatchObject({
      code: 'database-failed',
      message: expect.stringContaining('transaction open'),
    });
    const dumped = dump(database);
    await sleep(300);
    await client.query('ROLLBACK');
    expect((await dumped).facts.inventory.rows).toEqual({ 'public.orders': 2 });
    await client.end();
  });

  drawn.test('nobody but the owner can ask the server for anything', async () => {
    expect((await stat(harness.layout.controlSocket)).mode & 0o777).toBe(0o600);
    expect((await stat(harness.layout.directory)).mode & 0o777).toBe(0o700);
  });

  drawn.test('somebody else has the port: the start fails and says so', async () => {
    await database.stop(never);
    const other = createServer().listen(harness.port, '127.0.0.1');
    try {
      await once(other, 'listening');
      await expect(database.start(never)).rejects.toMatchObject({
        code: 'database-failed',
        message: expect.stringContaining('EADDRINUSE'),
      });
    } finally {
      await once(other.close(), 'close');
    }
  });
});

drawn.describe('coffee shop', () => {
  let stack: (typeof harness)['stack'];

  beforeEach(async () => {
    stack = harness.create(COFFEE_SHOP);
    await stack.app.stop(never);
    await harness.reset();
    await stack.app.start(never);
    await expect.poll(() => stack.app.check(), { timeout: 10_000 }).toMatchObject({ status: 200 });
  });
  afterAll(() => stack?.app.stop(never));

  const order = (body: unknown) =>
    fetch(`${harness.appUrl}/order`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const orders = async () => (await fetch(`${harness.appUrl}/orders`)).json();

  drawn.test('it fills an empty database with seeds, and never again', async () => {
    expect(await orders()).toHaveLength(3);
    expect((await order({ coffeeId: 2, quantity: 4 })).status).toBe(201);
    await stack.app.stop(never);
    await stack.app.start(never);
    await expect.poll(() => stack.app.check()).toMatchObject({ status: 200 });
    expect(await orders()).toEqual([
      { id: 1, coffeeId: 1, quantity: 1, placedBy: 'seed' },
      { id: 2, coffeeId: 2, quantity: 2, placedBy: 'seed' },
      { id: 3, coffeeId: 3, quantity: 3, placedBy: 'seed' },
      { id: 4, coffeeId: 2, quantity: 4, placedBy: 'guest' },
    ]);
  });

  drawn.test('an order that cannot be is refused with 400', async () => {
    for (const body of [
      { coffeeId: 1 },
      { coffeeId: 1, quantity: 0 },
      { coffeeId: 'one', quantity: 1 },
      { coffeeId: 99, quantity: 1 },
      undefined,
    ])
      expect((await order(body)).status, JSON.stringify(body)).toBe(400);
    expect(await orders()).toHaveLength(3);
  });

  drawn.test(
    'a frozen database means 503 for an order, no lost 201, and coffees are still listed',
    async () => {
      await stack.database.freeze();
      await expect.poll(() => stack.app.check()).toMatchObject({ status: 200 });
      expect((await order({ coffeeId: 1, quantity: 1 })).status).toBe(503);
      await stack.database.thaw();
      await expect.poll(async () => (await order({ coffeeId: 1, quantity: 1 })).status).toBe(201);
      // The app may still have connections from before.
      await expect.poll(orders).toHaveLength(4);
    },
  );

  drawn.test(
    'without its database it answers 503 and not nothing, and recovers by itself',
    async () => {
      await harness.killDatabase();
      await expect.poll(() => stack.app.check()).toMatchObject({ status: 503 });
      expect((await order({ coffeeId: 1, quantity: 1 })).status).toBe(503);
      expect(await stack.app.isRunning()).toBe(true);
      await stack.database.start(never);
      await expect.poll(() => stack.app.check()).toMatchObject({ status: 200 });
    },
  );

  drawn.test(
    'an agent that was restarted finds and stops the app that it had started before',
    async () => {
      const { app } = harness.create(COFFEE_SHOP);
      expect(await app.isRunning()).toBe(true);
      await app.start(never);
      const began = performance.now();
      await app.stop(never);
      expect(performance.now() - began).toBeLessThan(4_000);
      expect(await stack.app.isRunning()).toBe(false);
      // The kernel may take a moment to close the port of a process that was killed.
      await expect.poll(() => stack.app.check()).toMatchObject({ outcome: 'refuses' });
      expect(await readFile(harness.layout.appLog, 'utf8')).toContain('serves on port');
    },
  );
});
