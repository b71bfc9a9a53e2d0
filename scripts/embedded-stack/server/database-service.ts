import { PGlite } from '@electric-sql/pglite';
import { drillName, incomingName } from '../../../src/domain/database-names.js';
import { ColdspareError, Refused } from '../../../src/domain/errors.js';
import type { DatabaseGlobals, Inventory } from '../../../src/domain/manifest.js';
import { type Marker, readMarker, withMarker } from '../../../src/domain/marker.js';
import { onlyValue } from '../../../src/drivers/postgres/answer.js';
import { readInventory } from '../../../src/drivers/postgres/inventory.js';
import type { DumpFacts, Staging } from '../../../src/ports/stack.js';
import type { Layout } from '../layout.js';
import { readComment, writeComment } from './comment.js';
import { Databases } from './databases.js';
import { dumpCopy } from './dump.js';
import { type Engine, engineOptions } from './engine.js';
import { type LiveSession, openLiveSession } from './live-session.js';
import { restoreDump } from './restore.js';
import { sessionOf } from './sql-session.js';

/** How long our own work waits for a client's transaction, in milliseconds. */
const PATIENCE = 5_000;

export interface DatabaseServiceOptions {
  layout: Layout;
  /** The live database's name, and the name inside every directory. */
  database: string;
  /** TCP port on 127.0.0.1. */
  port: number;
}

/** Serves the live database over TCP, and does what `Database` promises. To be called once at a time, but for `exists`. */
export class DatabaseService {
  readonly #layout: Layout;
  readonly #name: string;
  readonly #besides: Record<Staging, string>;
  readonly #port: number;
  readonly #databases: Databases;
  #session: LiveSession | undefined;

  constructor({ layout, database, port }: DatabaseServiceOptions) {
    this.#layout = layout;
    this.#name = database;
    this.#besides = { incoming: incomingName(database), drill: drillName(database) };
    this.#port = port;
    this.#databases = new Databases(layout);
  }

  async open(): Promise<void> {
    await this.#databases.open(this.#name);
    await this.#openSession();
  }

  async close(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.close();
  }

  /** Whether there is a live database. Answered at once, whatever else is going on. */
  exists(): boolean {
    return this.#databases.has(this.#name);
  }

  async live(): Promise<{ exists: boolean; marker: Marker | undefined }> {
    if (!this.exists()) return { exists: false, marker: undefined };
    return { exists: true, marker: readMarker(await this.#whileIdle(readComment)) };
  }

  mark(marker: Marker): Promise<void> {
    return this.#whileIdle(async (engine) =>
      writeComment(engine, this.#name, withMarker(await readComment(engine), marker)),
    );
  }

  inventory(of?: Staging): Promise<Inventory> {
    const read = (engine: PGlite) => readInventory(sessionOf(engine));
    return of === undefined ? this.#whileIdle(read) : this.#withClosed(this.#besides[of], read);
  }

  /** Writes the live database to the outgoing dump. Clients wait only while its files are copied. */
  async dump(): Promise<DumpFacts> {
    const copy = await this.#whileIdle(async (engine) => {
      await engine.exec('CHECKPOINT');
      return this.#databases.copy(this.#name);
    });
    try {
      return await dumpCopy(copy, this.#name, this.#layout.outgoingDump);
    } finally {
      await this.#databases.discard(copy);
    }
  }

  /** Restores the dump that has arrived beside the live database. It exists once it is added. */
  async restore(beside: Staging, surroundings: DatabaseGlobals | undefined): Promise<void> {
    await this.discard(beside);
    const path = await this.#databases.copyTemplate();
    try {
      await restoreDump(path, this.#name, this.#layout.arrivingDump[beside], surroundings);
    } catch (error) {
      await this.#databases.discard(path);
      throw error;
    }
    await this.#databases.add(this.#besides[beside], path);
  }

  /** `query` takes one statement only, so none can end the transaction. */
  answer(sql: string): Promise<unknown> {
    return this.#withClosed(this.#besides.drill, (engine) =>
      engine.transaction(async (transaction) => {
        await transaction.exec('SET TRANSACTION READ ONLY');
        const { rows } = await transaction
          .query<unknown[]>(sql, [], { rowMode: 'array' })
          .catch((cause: unknown) => Promise.reject(refusedQuery(cause)));
        return onlyValue(rows);
      }),
    );
  }

  discard(beside: Staging): Promise<void> {
    return this.drop(this.#besides[beside]);
  }

  async swap(marker: Marker, keepAs: string): Promise<{ kept: boolean }> {
    const { incoming } = this.#besides;
    const kept = this.exists();
    this.#databases.get(incoming);
    if (kept) this.#assertUnused(keepAs);
    await this.#withoutSession(async () => {
      const comment = kept ? await this.#withClosed(this.#name, readComment) : undefined;
      await this.#withClosed(incoming, (engine) =>
        writeComment(engine, this.#name, withMarker(comment, marker)),
      );
      await this.#databases.swap(incoming, this.#name, keepAs);
    });
    return { kept };
  }

  async setAside(keepAs: string): Promise<void> {
    if (!this.exists()) return;
    this.#assertUnused(keepAs);
    await this.#withoutSession(() => this.#databases.rename(this.#name, keepAs));
  }

  others(): string[] {
    return this.#databases.names().filter((name) => name !== this.#name);
  }

  async drop(name: string): Promise<void> {
    if (name === this.#name) throw inUse(name);
    await this.#databases.drop(name);
  }

  async setFrozen(frozen: boolean): Promise<void> {
    if (this.#databases.get(this.#name).frozen === frozen) return;
    await this.#withoutSession(() => this.#databases.setFrozen(this.#name, frozen));
  }

  /** PGlite counts no rows; but every transaction that writes takes a number, which survives crashes. */
  async writes(): Promise<string> {
    const { next } = await this.#whileIdle((engine) =>
      sessionOf(engine).row<{ next: string }>(
        'SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text AS next',
      ),
    );
    return next;
  }

  async #whileIdle<T>(work: (engine: Engine) => Promise<T>): Promise<T> {
    const { path } = this.#databases.get(this.#name);
    if (this.#session === undefined) throw notOpen(this.#name, path);
    const { engine } = this.#session;
    return engine.whileIdle(PATIENCE, () => work(engine));
  }

  async #withClosed<T>(name: string, work: (engine: PGlite) => Promise<T>): Promise<T> {
    const { path } = this.#databases.get(name);
    const engine = await PGlite.create(path, engineOptions(this.#name));
    try {
      return await work(engine);
    } finally {
      await engine.close();
    }
  }

  /** Ends all sessions for `work`. However that ends, the live database is served again. */
  async #withoutSession(work: () => Promise<void>): Promise<void> {
    await this.close();
    try {
      await work();
    } finally {
      await this.#openSession();
    }
  }

  async #openSession(): Promise<void> {
    if (!this.exists()) return;
    this.#session = await openLiveSession({
      ...this.#databases.get(this.#name),
      database: this.#name,
      port: this.#port,
    });
  }

  #assertUnused(name: string): void {
    if (!this.#databases.has(name)) return;
    throw new ColdspareError(
      'database-failed',
      `there is a database ${name} already`,
      'drop it if nobody needs it, then try again',
      { value: name },
    );
  }
}

const refusedQuery = (cause: unknown): ColdspareError =>
  new ColdspareError(
    'database-failed',
    `the database refused the query: ${cause instanceof Error ? cause.message : String(cause)}`,
    'run the query by hand against a copy of the database',
    { cause },
  );

const inUse = (name: string): ColdspareError =>
  new Refused(
    'database-failed',
    `the database ${name} is in use and cannot be dropped`,
    'name one of the copies beside it',
    { value: name },
  );

const notOpen = (name: string, path: string): ColdspareError =>
  new ColdspareError(
    'database-unreachable',
    `the database ${name} in ${path} could not be opened after the last change`,
    'free its port if something else has it; a stop and a start open it again',
    { value: name },
  );
