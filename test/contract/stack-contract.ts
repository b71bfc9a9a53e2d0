import { PassThrough, Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, expect, test as vitest } from 'vitest';
import { drillName, incomingName } from '../../src/domain/database-names.js';
import { inventoryDifferences, type Manifest } from '../../src/domain/manifest.js';
import type { Marker } from '../../src/domain/marker.js';
import type { DumpFacts, Stack } from '../../src/ports/stack.js';
import { drawnTests } from '../support/sample.js';

export interface StackHarness {
  stack: Stack;
  /** Name of the live database. */
  name: string;
  /** The service runs, the live database is there, empty and unmarked, and nothing is beside it. */
  reset(): Promise<void>;
  /** A client's ordinary connection. @throws when the service or the database is not there */
  connect(database?: string): Promise<Client>;
  /** Leaves no process, port or file. */
  cleanup(): Promise<void>;
}

const MARKER: Marker = {
  lineage: 'lin-1',
  epoch: 3,
  backup: 'shop_20261122_193000',
  served: false,
};
/** A role that every server has owns some of it. */
const CELLAR = `
  CREATE SCHEMA cellar AUTHORIZATION pg_monitor;
  CREATE DOMAIN cellar.grams AS int CONSTRAINT grams_check CHECK (VALUE >= 0);
  CREATE TABLE cellar.beans (id int PRIMARY KEY, weight cellar.grams NOT NULL);
  ALTER TABLE cellar.beans ADD CONSTRAINT no_dust CHECK (weight > 1) NOT VALID;
  ALTER TABLE cellar.beans OWNER TO pg_monitor;
  CREATE TABLE sacks (bean int REFERENCES cellar.beans, label text UNIQUE);
  CREATE VIEW full_sacks AS SELECT label FROM sacks;
  CREATE FUNCTION cellar.weigh(int) RETURNS int LANGUAGE sql AS 'SELECT $1';
  CREATE FUNCTION cellar.weigh(text) RETURNS int LANGUAGE sql AS 'SELECT 1';
  ALTER FUNCTION cellar.weigh(text) OWNER TO pg_monitor;
`;
const KEPT = 'shop_before_20261122_193000';
const never = new AbortController().signal;

/** Every promise of the `Database` and `App` ports, with real effects. */
export const testStackContract = (
  makeHarness: () => Promise<StackHarness>,
  /** How much of it is in every run; all of it in a soak. */
  share = 1,
): void => {
  const { describe, test, some } = drawnTests(share);
  let harness: StackHarness;
  let database: Stack['database'];
  let app: Stack['app'];

  beforeAll(async () => {
    harness = await makeHarness();
    ({ database, app } = harness.stack);
  });
  afterAll(() => harness?.cleanup());

  const query = async <Row>(sql: string, name?: string): Promise<Row[]> => {
    const client = await harness.connect(name);
    try {
      return (await client.query(sql)).rows as Row[];
    } finally {
      await client.end().catch(() => {});
    }
  };
  const orders = async (name?: string): Promise<number> =>
    (await query<{ n: number }>('SELECT count(*)::int AS n FROM orders', name))[0]?.n ?? -1;
  const addOrders = (count: number) =>
    query(
      `INSERT INTO orders (drink) SELECT 'flat white ' || n FROM generate_series(1, ${count}) n`,
    );

  /** A live database with `count` orders. */
  const openShop = async (count: number): Promise<void> => {
    await query('CREATE TABLE orders (id serial PRIMARY KEY, drink text NOT NULL)');
    await query('CREATE TABLE "Müsli, 100%" (id int)');
    await addOrders(count);
  };

  /** The live database replaced by one with a restored backup of `before` orders and `since` orders more. */
  const restored = async (before: number, since: number) => {
    await openShop(before);
    const backup = await dump(database);
    await addOrders(since);
    await database.restore(Readable.from([backup.content]), backup.manifest, never);
    return backup;
  };

  describe('database', () => {
    beforeEach(() => harness.reset());

    describe('service', () => {
      test('starting and stopping twice is as good as once, and rows stay', async () => {
        await openShop(2);
        await database.stop(never);
        await database.stop(never);
        expect(await database.answers()).toBe(false);
        await database.start(never);
        await database.start(never);
        expect(await database.answers()).toBe(true);
        expect(await orders()).toBe(2);
      });

      test('a stopped database is unreachable, which is not the same as empty', async () => {
        await database.stop(never);
        await expect(database.live()).rejects.toMatchObject({ code: 'database-unreachable' });
        await expect(database.inventory()).rejects.toMatchObject({ code: 'database-unreachable' });
        await expect(database.freeze()).rejects.toMatchObject({ code: 'database-unreachable' });
      });

      test('a start that nobody wants any more ends at once', async () => {
        await database.stop(never);
        await expect(database.start(AbortSignal.abort(new Error('cancelled')))).rejects.toThrow(
          'cancelled',
        );
      });
    });

    describe('marker', () => {
      test('a database that nobody marked has no lineage', async () => {
        const { exists, marker } = await database.live();
        expect({ exists, marker }).toEqual({ exists: true, marker: undefined });
      });

      test('the marker outlives the service, and the last one counts', async () => {
        await database.mark(MARKER);
        await database.mark({ ...MARKER, epoch: 4, served: true });
        await database.stop(never);
        await database.start(never);
        expect(await database.live()).toMatchObject({
          exists: true,
          marker: { ...MARKER, epoch: 4, served: true },
        });
      });
    });

    describe('dump and restore', () => {
      test('the incoming database holds what was counted in the dump, and the live one is as it was', async () => {
        await openShop(5);
        await database.mark(MARKER);
        const { facts, manifest, content } = await dump(database);
        expect(facts.marker).toEqual(MARKER);
        expect(facts.inventory.rows).toEqual({ 'public.orders': 5, 'public.Müsli, 100%': 0 });
        expect(facts.inventory.sequences).toEqual({
          'public.orders_id_seq': { last: '5', called: true },
        });

        await addOrders(1);
        expect(facts.databaseBytes).toBeGreaterThan(1_000_000);
        expect(await database.freeSpace()).toBeGreaterThan(1_000_000);
        await database.restore(Readable.from([content]), manifest, never);
        expect(await database.inventory('incoming')).toEqual(facts.inventory);
        expect((await database.inventory()).rows['public.orders']).toBe(6);
        expect((await database.live()).marker).toEqual(MARKER);
      });

      test('orders that come in during the dump are in none of its counts', async () => {
        await openShop(1);
        await addOrders(20_000);
        let isDone = false;
        const customer = (async () => {
          do await addOrders(1);
          while (!isDone);
        })();
        const { facts, manifest, content } = await dump(database);
        isDone = true;
        await customer;
        await database.restore(Readable.from([content]), manifest, never);
        expect(inventoryDifferences(facts.inventory, await database.inventory('incoming'))).toEqual(
          [],
        );
        expect(facts.inventory.rows['public.orders']).toBeLessThan(await orders());
      });

      test('constraints and owners come with a restore, and the loss of one is told', async () => {
        await query(CELLAR);
        const { facts, manifest, content } = await dump(database);
        expect(facts.inventory.constraints).toEqual({
          'cellar.beans.beans_pkey': 'PRIMARY KEY',
          'cellar.beans.no_dust': 'CHECK NOT VALID',
          'cellar.grams.grams_check': 'CHECK',
          'public.sacks.sacks_bean_fkey': 'FOREIGN KEY',
          'public.sacks.sacks_label_key': 'UNIQUE',
        });
        expect(facts.inventory.owners).toEqual({
          cellar: 'pg_monitor',
          'cellar.beans': 'pg_monitor',
          'cellar.weigh()': 'pg_monitor, postgres',
          'public.sacks': 'postgres',
          'public.full_sacks': 'postgres',
        });
        await database.restore(Readable.from([content]), manifest, never);
        expect(await database.inventory('incoming')).toEqual(facts.inventory);

        await query(`ALTER TABLE sacks DROP CONSTRAINT sacks_bean_fkey;
          ALTER TABLE cellar.beans VALIDATE CONSTRAINT no_dust;
          ALTER TABLE cellar.beans OWNER TO postgres`);
        expect(inventoryDifferences(facts.inventory, await database.inventory())).toEqual([
          'constraint cellar.beans.no_dust: expected CHECK NOT VALID, found CHECK',
          'constraint public.sacks.sacks_bean_fkey: expected FOREIGN KEY, found none',
          'owner of cellar.beans: expected pg_monitor, found postgres',
        ]);
      });

      test('a second restore replaces the first', async () => {
        const { manifest, content, facts } = await restored(2, 1);
        await database.restore(Readable.from([content]), manifest, never);
        expect(await database.inventory('incoming')).toEqual(facts.inventory);
      });

      test('discarding leaves no incoming database, and can be repeated', async () => {
        await restored(2, 1);
        await database.discard();
        await database.discard();
        expect(await database.others()).toEqual([]);
        expect(await orders()).toBe(3);
      });

      vitest.each(
        some('torn dumps', [
          ['cut in the middle', (content: Buffer) => content.subarray(0, content.length / 2)],
          ['cut just before its end', (content: Buffer) => content.subarray(0, -200)],
          ['empty', () => Buffer.alloc(0)],
          ['nothing but noise', () => Buffer.alloc(10_000, 'seed data ')],
        ]),
      )('a dump that is %s is refused, and nothing of it stays', async (_name, tear) => {
        await openShop(2);
        await query(
          `INSERT INTO orders (drink) SELECT md5(n::text) FROM generate_series(1, 5000) n`,
        );
        const { manifest, content } = await dump(database);
        await expect(
          database.restore(Readable.from([tear(content)]), manifest, never),
        ).rejects.toMatchObject({ code: 'backup-unusable' });
        expect(await database.others()).toEqual([]);
        expect(await orders()).toBe(5002);
      });

      test('a dump whose stream breaks half-way is refused, and nothing of it stays', async () => {
        await openShop(2);
        const { manifest, content } = await dump(database);
        const torn = Readable.from(
          (function* () {
            yield content.subarray(0, content.length - 100);
            throw new Error('connection lost');
          })(),
        );
        await expect(database.restore(torn, manifest, never)).rejects.toMatchObject({
          code: 'backup-unusable',
        });
        expect(await database.others()).toEqual([]);
        expect(await orders()).toBe(2);
      });

      vitest.each(some('called off', [10, 100, 400]))(
        'a restore that is called off after %i ms leaves nothing',
        async (ms) => {
          await openShop(2);
          const { manifest, content } = await dump(database);
          const calledOff = new AbortController();
          const stuck = new PassThrough();
          stuck.write(content.subarray(0, 1000));
          const restore = database.restore(stuck, manifest, calledOff.signal);
          setTimeout(() => calledOff.abort(new Error('called off')), ms);
          await expect(restore).rejects.toThrow('called off');
          expect(await database.others()).toEqual([]);
        },
      );

      test('a dump that is called off does not end its sink as if it were whole', async () => {
        await openShop(2);
        const sink = new PassThrough();
        await expect(
          database.dump(sink, AbortSignal.abort(new Error('called off'))),
        ).rejects.toThrow('called off');
        expect(sink.writableFinished).toBe(false);
        expect(sink.destroyed).toBe(true);
      });

      test('a full disk under the dump fails the dump', async () => {
        await openShop(2);
        const full = new Writable({
          write: (_chunk, _encoding, done) => done(new Error('disk full')),
        });
        await expect(database.dump(full, never)).rejects.toThrow('disk full');
      });
    });

    describe('drill', () => {
      // The harness is made later.
      const drill = () => drillName(harness.name);
      const ask = (sql: string) => database.answer(sql, 20_000, never);

      /** Two orders in the backup, three more since. */
      const drilled = async () => {
        const { manifest, content, facts } = await restored(2, 3);
        await database.restore(Readable.from([content]), manifest, never, { staging: 'drill' });
        return facts;
      };

      test('what is drilled lies beside the live and the incoming database, and goes alone', async () => {
        const facts = await drilled();
        expect(await database.inventory('drill')).toEqual(facts.inventory);
        expect(await database.others()).toEqual([drill(), incomingName(harness.name)].sort());
        await database.discard('drill');
        await database.discard('drill');
        expect(await database.others()).toEqual([incomingName(harness.name)]);
        expect(await orders()).toBe(5);
        await database.swap(MARKER, KEPT);
        expect(await orders()).toBe(2);
      });

      test('a swap brings in the incoming database, not the drilled one', async () => {
        await drilled();
        await database.discard();
        await expect(database.swap(MARKER, KEPT)).rejects.toMatchObject({
          code: 'database-failed',
        });
        expect(await orders()).toBe(5);
        expect(await database.others()).toEqual([drill()]);
      });

      test('it answers for the backup, not for the live database', async () => {
        await drilled();
        const answers: [sql: string, answer: unknown][] = [
          ['SELECT count(*) = 2 FROM orders', true],
          [`SELECT 'a\\b "c"' AS "x;y"`, 'a\\b "c"'],
          [`SELECT bool_and(drink LIKE '%white%') FROM orders; -- all`, true],
          ['SELECT count(*) > 2 FROM orders', false],
          ['SELECT max(id) > 1 FROM orders WHERE false', null],
        ];
        for (const [sql, answer] of some('answers', answers))
          expect(await ask(sql), sql).toBe(answer);
      });

      test('a query that would change something, or has no single answer, is refused', async () => {
        const { inventory } = await drilled();
        const refused = [
          'DELETE FROM orders RETURNING true',
          'SET TRANSACTION READ WRITE',
          'COMMIT',
          'SELECT true FROM orders',
          'WITH gone AS (DELETE FROM orders RETURNING 1) SELECT true',
          'CREATE TABLE t ()',
          `SELECT nextval('orders_id_seq') > 0`,
          'SELECT true WHERE false',
          'SELECT true, true',
          'SELECT count(*) > 0 FROM refunds',
          `SELECT 'tru`,
        ];
        for (const sql of some('refused queries', refused))
          await expect(ask(sql), sql).rejects.toMatchObject({ code: 'database-failed' });
        expect(await database.inventory('drill')).toEqual(inventory);
        expect(await orders()).toBe(5);
      });

      test('a drilled database that is not there answers nothing', async () => {
        await openShop(1);
        await expect(ask('SELECT true')).rejects.toMatchObject({ code: 'database-failed' });
      });

      test('a drill that is called off in its restore leaves nothing but what was there', async () => {
        await openShop(2);
        const { manifest, content } = await dump(database);
        const calledOff = new AbortController();
        const stuck = new PassThrough();
        stuck.write(content.subarray(0, 1000));
        const restore = database.restore(stuck, manifest, calledOff.signal, { staging: 'drill' });
        setTimeout(() => calledOff.abort(new Error('called off')), 100);
        await expect(restore).rejects.toThrow('called off');
        expect(await database.others()).toEqual([]);
        expect(await orders()).toBe(2);
      });
    });

    describe('swap', () => {
      test('h01: sessions are open and clients keep coming, and the restored data takes over all the same', async () => {
        await restored(2, 3);
        const pooled = await harness.connect();
        const ended = new Promise<void>((resolve) => pooled.once('end', () => resolve()));
        const idleInTransaction = await harness.connect();
        await idleInTransaction.query('BEGIN');
        await idleInTransaction.query(`INSERT INTO orders (drink) VALUES ('never committed')`);
        let isDone = false;
        const customers = [1, 2, 3].map(async () => {
          while (!isDone) {
            await query('SELECT count(*) FROM orders').catch(() => sleep(5));
          }
        });

        const swapped = await database.swap(MARKER, KEPT).finally(() => {
          isDone = true;
        });
        await Promise.all(customers);
        await ended;

        expect(swapped).toEqual({ kept: true });
        expect(await orders()).toBe(2);
        expect(await database.live()).toMatchObject({ exists: true, marker: MARKER });
        expect(await database.others()).toEqual([KEPT]);
        expect(await orders(KEPT)).toBe(5);
      });

      test('an app that is started too early cannot write to what was swapped in, until it is opened', async () => {
        await restored(2, 3);
        await database.swap(MARKER, KEPT);
        await expect(addOrders(1)).rejects.toThrow('read-only transaction');
        await database.stop(never);
        await database.start(never);
        await expect(addOrders(1)).rejects.toThrow('read-only transaction');
        await database.thaw();
        await addOrders(1);
        expect(await orders()).toBe(3);
      });

      test('the first restore of a new server has nothing to keep', async () => {
        await restored(2, 3);
        await database.setAside('elsewhere');
        await database.drop('elsewhere');
        expect(await database.swap(MARKER, KEPT)).toEqual({ kept: false });
        expect(await orders()).toBe(2);
        expect(await database.live()).toMatchObject({ exists: true, marker: MARKER });
        expect(await database.others()).toEqual([]);
      });

      test('h11: a swap with nothing to swap in leaves the live database and its marker', async () => {
        await openShop(2);
        await database.mark(MARKER);
        await expect(database.swap({ ...MARKER, epoch: 9 }, KEPT)).rejects.toMatchObject({
          code: 'database-failed',
        });
        expect(await database.live()).toMatchObject({ exists: true, marker: MARKER });
        expect(await orders()).toBe(2);
        expect(await database.others()).toEqual([]);
      });

      test('a swap that would overwrite a kept database is refused, and nothing has moved', async () => {
        await restored(2, 3);
        await database.swap(MARKER, KEPT);
        const { manifest, content } = await dump(database);
        await database.restore(Readable.from([content]), manifest, never);
        await expect(database.swap({ ...MARKER, epoch: 9 }, KEPT)).rejects.toMatchObject({
          code: 'database-failed',
        });
        expect(await database.live()).toMatchObject({ exists: true, marker: MARKER });
        expect(await orders(KEPT)).toBe(5);
        expect(await database.others()).toEqual([KEPT, incomingName(harness.name)].sort());
      });
    });

    describe('copies beside the live database', () => {
      test('a database that is set aside is there under its new name, and no longer live', async () => {
        await openShop(2);
        const pooled = await harness.connect();
        const ended = new Promise<void>((resolve) => pooled.once('end', () => resolve()));
        await database.setAside(KEPT);
        await ended;
        await database.setAside(KEPT);
        expect(await database.live()).toEqual({ exists: false, marker: undefined });
        expect(await database.others()).toEqual([KEPT]);
        expect(await orders(KEPT)).toBe(2);
      });

      test('dropping a copy can be repeated, and never drops the live database', async () => {
        await restored(2, 3);
        await database.swap(MARKER, KEPT);
        await database.drop(KEPT);
        await database.drop(KEPT);
        expect(await database.others()).toEqual([]);
        await expect(database.drop(harness.name)).rejects.toMatchObject({
          code: 'database-failed',
        });
        expect(await orders()).toBe(2);
      });
    });

    describe('freeze', () => {
      test('h12: no write gets through, reads do, and a restart does not thaw', async () => {
        await openShop(2);
        await database.freeze();
        await database.freeze();
        await expect(addOrders(1)).rejects.toThrow('read-only transaction');
        await database.stop(never);
        await database.start(never);
        await expect(addOrders(1)).rejects.toThrow('read-only transaction');
        expect(await orders()).toBe(2);

        await database.thaw();
        await database.thaw();
        await addOrders(1);
        expect(await orders()).toBe(3);
      });

      test('a transaction that was open at the freeze is never committed', async () => {
        await openShop(2);
        const client = await harness.connect();
        await client.query('BEGIN');
        await client.query(`INSERT INTO orders (drink) VALUES ('too late')`);
        await database.freeze();
        await expect(client.query('COMMIT')).rejects.toThrow();
        expect(await orders()).toBe(2);
      });

      test('a client that was frozen out writes again after the thaw', async () => {
        await openShop(2);
        await database.freeze();
        const pooled = await harness.connect();
        const ended = new Promise<void>((resolve) => pooled.once('end', () => resolve()));
        await database.thaw();
        await ended;
        await addOrders(1);
        expect(await orders()).toBe(3);
      });

      test('the last dump before a handover is of a frozen database, and its copy can be opened', async () => {
        await openShop(2);
        await database.freeze();
        const { facts, manifest, content } = await dump(database);
        await database.restore(Readable.from([content]), manifest, never);
        expect(await database.inventory('incoming')).toEqual(facts.inventory);
        await database.swap(MARKER, KEPT);
        await database.thaw();
        await addOrders(1);
        expect(await orders()).toBe(3);
      });
    });

    describe('fingerprint', () => {
      /** Dumps until what follows a change has settled, such as a vacuum. A dump may have to be taken twice, not for ever. */
      const dumpedQuietly = async (): Promise<string | undefined> => {
        for (let tries = 0; tries < 10; tries += 1) {
          const { fingerprint } = (await dump(database)).facts;
          if ((await database.fingerprint()) === fingerprint) return fingerprint;
        }
        throw new Error('it never was the one of the dump before');
      };
      const cannotTell = (fingerprint: string | undefined): boolean => {
        if (fingerprint === undefined) expect(harness.stack.name).toBe('embedded');
        return fingerprint === undefined;
      };

      test('of a database that nobody changes is the one of its dump, whoever reads it', async () => {
        await openShop(2);
        if (cannotTell(await database.fingerprint())) return;
        const before = await dumpedQuietly();
        await orders();
        expect(await database.fingerprint()).toBe(before);
      });

      test('is another one after any change', async () => {
        await openShop(2);
        await query('CREATE UNLOGGED TABLE visits (id int)');
        if (cannotTell(await database.fingerprint())) return;
        for (const change of [
          `INSERT INTO orders (drink) VALUES ('late')`,
          `UPDATE orders SET drink = 'decaf' WHERE id = 1`,
          'DELETE FROM orders WHERE id = 1',
          'INSERT INTO visits VALUES (1)',
          `SELECT nextval('orders_id_seq')`,
          'ALTER TABLE orders ADD COLUMN size int',
          'SELECT lo_create(4711)',
          `COMMENT ON TABLE orders IS 'busy'`,
          `ALTER DATABASE ${harness.name} SET work_mem = '5MB'`,
        ]) {
          const before = await dumpedQuietly();
          await query(change);
          expect(await database.fingerprint(), change).not.toBe(before);
        }
      });

      test('is another one when what was open during the dump is committed', async () => {
        await openShop(2);
        if (cannotTell(await database.fingerprint())) return;
        const customer = await harness.connect();
        await customer.query('BEGIN');
        await customer.query(`INSERT INTO orders (drink) VALUES ('slow')`);
        const before = await dumpedQuietly();
        await customer.query('COMMIT');
        await customer.end();
        expect(await database.fingerprint()).not.toBe(before);
      });

      test('is another one after a restart, which may have forgotten something', async () => {
        await openShop(2);
        if (cannotTell(await database.fingerprint())) return;
        const before = await dumpedQuietly();
        await database.stop(never);
        await database.start(never);
        expect(await database.fingerprint()).not.toBe(before);
      });
    });

    describe('writes', () => {
      test('a frozen database counts no writes, whoever reads it', async () => {
        await openShop(2);
        await database.freeze();
        const before = await database.writes();
        await orders();
        await dump(database);
        expect(await database.writes()).toBe(before);
      });

      vitest.each(
        some('writes', [
          ['insert', `INSERT INTO orders (drink) VALUES ('late')`],
          ['update', `UPDATE orders SET drink = 'decaf' WHERE id = 1`],
          ['delete', `DELETE FROM orders WHERE id = 1`],
        ]),
      )('one %s shows, however late its session reports it', async (_name, sql) => {
        await openShop(2);
        await database.freeze();
        const before = await database.writes();
        await database.thaw();
        const client = await harness.connect();
        await client.query(sql);
        await database.freeze();
        expect(await database.writes()).toBeGreaterThan(before);
      });
    });
  });

  describe('app', () => {
    // An app may need a database that it can write to.
    beforeEach(() => harness.reset());

    test('starting and stopping twice is as good as once', async () => {
      await app.start(never);
      await app.start(never);
      await expect
        .poll(() => app.check(), { timeout: 20_000 })
        .toMatchObject({
          outcome: 'answers',
          status: 200,
        });
      expect(await app.isRunning()).toBe(true);
      await app.stop(never);
      expect(await app.isRunning()).toBe(false);
      // The kernel may take a moment to close the port of a process that was killed.
      await expect.poll(() => app.check()).toMatchObject({ outcome: 'refuses' });
      await app.stop(never);
      expect(await app.isRunning()).toBe(false);
    });
  });
};

export interface Backup {
  content: Buffer;
  facts: DumpFacts;
  manifest: Manifest;
}

/** Two tables whose dump is larger than 8 MiB, from where on a restore has several jobs. */
export const CROCKERY = ['cups', 'plates']
  .map(
    (table) => `CREATE TABLE ${table} AS SELECT n AS id,
      md5(n::text) || md5((-n)::text) || md5((n * 7)::text) AS what FROM generate_series(1, 150000) n;
      ALTER TABLE ${table} ADD PRIMARY KEY (id);`,
  )
  .join('\n');

/** The live database's dump, in memory. */
export const dump = async (database: Stack['database']): Promise<Backup> => {
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(chunk);
      done();
    },
  });
  const facts = await database.dump(sink, never);
  expect(sink.writableFinished).toBe(true);
  const content = Buffer.concat(chunks);
  return { content, facts, manifest: manifestOf(facts, content) };
};

export const manifestOf = (facts: DumpFacts, content: Buffer): Manifest => ({
  id: 'shop_20261122_193000',
  database: 'shop',
  node: 'vcl2',
  takenAt: '2026-11-22T19:30:00.000Z',
  epoch: 3,
  sequence: 1,
  lineage: 'lin-1',
  format: facts.format,
  bytes: Math.max(content.length, 1),
  sha256: '0'.repeat(64),
  serverVersion: facts.serverVersion,
  inventory: facts.inventory,
  surroundings: facts.surroundings,
});
