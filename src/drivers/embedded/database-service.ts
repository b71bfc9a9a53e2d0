import { randomUUID } from 'node:crypto';
import { cp, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import pg from 'pg';
import { drillName, incomingName } from '../../domain/database-names.js';
import { ColdspareError, Refused } from '../../domain/errors.js';
import type { DatabaseGlobals, Inventory } from '../../domain/manifest.js';
import { type Marker, readMarker, withMarker } from '../../domain/marker.js';
import type { DumpFacts, Staging } from '../../ports/stack.js';
import { onlyValue } from '../postgres/answer.js';
import { type Catalog, readCatalog, writeCatalog } from './catalog.js';
import { readComment, readInventory } from './contents.js';
import { dumpCopy } from './dump.js';
import { Engine, engineOptions } from './engine.js';
import type { Layout } from './layout.js';
import { restoreDump } from './restore.js';

const MAX_CONNECTIONS = 100;
/** How long our own work waits for a client's transaction, in milliseconds. */
const PATIENCE = 5_000;
/** How long the port's closing may take, in milliseconds. */
const STOP_GRACE = 250;

export interface DatabaseServiceOptions {
  layout: Layout;
  /** The live database's name, and the name inside every directory. */
  database: string;
  /** TCP port on 127.0.0.1. */
  port: number;
}

/** The live database, open to clients. */
interface Session {
  engine: Engine;
  server: PGLiteSocketServer;
}

/**
 * Keeps databases as directories and serves the live one over TCP. One request at a time: each begins and ends
 * with a catalog that is true.
 */
export class DatabaseService {
  readonly #layout: Layout;
  readonly #name: string;
  readonly #besides: Record<Staging, string>;
  readonly #port: number;
  #catalog: Catalog = {};
  #session: Session | undefined;

  constructor({ layout, database, port }: DatabaseServiceOptions) {
    this.#layout = layout;
    this.#name = database;
    this.#besides = { incoming: incomingName(database), drill: drillName(database) };
    this.#port = port;
  }

  /** Like a PostgreSQL image, the first start brings an empty live database. */
  async open(): Promise<void> {
    await mkdir(this.#layout.databases, { recursive: true, mode: 0o700 });
    const catalog = await readCatalog(this.#layout.catalog);
    this.#catalog = catalog ?? {};
    await this.#sweep();
    if (catalog === undefined) {
      const directory = await this.#newDirectory(this.#layout.template);
      await this.#change({ [this.#name]: { directory, frozen: false } });
    }
    await this.#openSession();
  }

  async close(): Promise<void> {
    await this.#endSession();
  }

  /** Answered at once, whatever else is going on. */
  exists(): boolean {
    return this.#name in this.#catalog;
  }

  async live(): Promise<{ exists: boolean; marker: Marker | undefined }> {
    if (!this.exists()) return { exists: false, marker: undefined };
    const comment = await this.#whileIdle(readComment);
    return { exists: true, marker: readMarker(comment) };
  }

  mark(marker: Marker): Promise<void> {
    return this.#whileIdle(async (engine) =>
      this.#writeComment(engine, withMarker(await readComment(engine), marker)),
    );
  }

  inventory(of: Staging | undefined): Promise<Inventory> {
    return of === undefined
      ? this.#whileIdle(readInventory)
      : this.#withClosed(this.#besides[of], readInventory);
  }

  /** Writes the live database to the outgoing dump. Clients wait only while its files are copied. */
  async dump(): Promise<DumpFacts> {
    const copy = await this.#whileIdle(async (engine) => {
      await engine.exec('CHECKPOINT');
      return this.#newDirectory(this.#directoryOf(this.#name));
    });
    try {
      return await dumpCopy(this.#path(copy), this.#name, this.#layout.outgoingDump);
    } finally {
      await this.#remove(copy);
    }
  }

  /** Restores the dump that has arrived beside the live database. It exists from the catalog's change on. */
  async restore(beside: Staging, surroundings: DatabaseGlobals | undefined): Promise<void> {
    await this.discard(beside);
    const directory = await this.#newDirectory(this.#layout.template);
    try {
      const dump = this.#layout.arrivingDump[beside];
      await restoreDump(this.#path(directory), this.#name, dump, surroundings);
    } catch (error) {
      await this.#remove(directory);
      throw error;
    }
    const restored = { [this.#besides[beside]]: { directory, frozen: false } };
    await this.#change({ ...this.#catalog, ...restored });
  }

  /** The extended protocol, which `query` speaks, takes one statement only: none can end the transaction. */
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
    const {
      [this.#name]: live,
      [this.#besides.incoming]: incoming = this.#missing(this.#besides.incoming),
      ...others
    } = this.#catalog;
    const kept = live && { [this.#free(keepAs)]: live };
    await this.#withoutSession(async () => {
      const comment = live && (await this.#withClosed(this.#name, readComment));
      await this.#withClosed(this.#besides.incoming, (engine) =>
        this.#writeComment(engine, withMarker(comment, marker)),
      );
      await this.#change({ ...others, ...kept, [this.#name]: { ...incoming, frozen: true } });
    });
    return { kept: live !== undefined };
  }

  async setAside(keepAs: string): Promise<void> {
    const { [this.#name]: live, ...others } = this.#catalog;
    if (live === undefined) return;
    const next = { ...others, [this.#free(keepAs)]: live };
    await this.#withoutSession(() => this.#change(next));
  }

  others(): string[] {
    return Object.keys(this.#catalog)
      .filter((name) => name !== this.#name)
      .sort();
  }

  async drop(name: string): Promise<void> {
    if (name === this.#name) throw mustStay(name);
    const { [name]: dropped, ...others } = this.#catalog;
    if (dropped === undefined) return;
    await this.#change(others);
    await this.#remove(dropped.directory);
  }

  /** PGlite does not read ALTER DATABASE … SET, so the catalog remembers, and every session is opened so. */
  async setFrozen(frozen: boolean): Promise<void> {
    const live = this.#catalog[this.#name] ?? this.#missing(this.#name);
    if (live.frozen === frozen) return;
    const next = { ...this.#catalog, [this.#name]: { ...live, frozen } };
    await this.#withoutSession(() => this.#change(next));
  }

  /** PGlite counts no rows; but every transaction that writes takes a number, which survives crashes. */
  writes(): Promise<string> {
    return this.#whileIdle(async (engine) => {
      const { rows } = await engine.query<{ next: string }>(
        'SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text AS next',
      );
      return rows[0]?.next ?? '0';
    });
  }

  async #whileIdle<T>(work: (engine: Engine) => Promise<T>): Promise<T> {
    if (this.#session === undefined)
      throw this.exists() ? notOpen(this.#name) : this.#missing(this.#name);
    const { engine } = this.#session;
    return engine.whileIdle(PATIENCE, () => work(engine));
  }

  async #withClosed<T>(name: string, work: (engine: PGlite) => Promise<T>): Promise<T> {
    const engine = await PGlite.create(
      this.#path(this.#directoryOf(name)),
      engineOptions(this.#name),
    );
    try {
      return await work(engine);
    } finally {
      await engine.close();
    }
  }

  /** Ends all sessions for `work`; whatever becomes of it, the live database is served again. */
  async #withoutSession(work: () => Promise<void>): Promise<void> {
    await this.#endSession();
    try {
      await work();
    } finally {
      await this.#openSession();
    }
  }

  async #openSession(): Promise<void> {
    const live = this.#catalog[this.#name];
    if (live === undefined) return;
    const engine = new Engine(
      this.#path(live.directory),
      engineOptions(this.#name, live.frozen ? { default_transaction_read_only: 'on' } : {}),
    );
    await engine.waitReady;
    const server = new PGLiteSocketServer({
      db: engine,
      host: '127.0.0.1',
      port: this.#port,
      maxConnections: MAX_CONNECTIONS,
    });
    try {
      await server.start();
    } catch (error) {
      await engine.close();
      throw error;
    }
    this.#session = { engine, server };
  }

  async #endSession(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    // A client that connects at this moment is sent away, yet pglite-socket waits for it for ever.
    await Promise.race([session?.server.stop(), sleep(STOP_GRACE)]);
    await session?.engine.close();
  }

  async #change(next: Catalog): Promise<void> {
    await writeCatalog(this.#layout.catalog, next);
    this.#catalog = next;
  }

  /** In a transaction that may write, even while the database is frozen. */
  #writeComment(engine: PGlite, comment: string): Promise<void> {
    return engine.transaction(async (transaction) => {
      await transaction.exec('SET TRANSACTION READ WRITE');
      await transaction.exec(
        `COMMENT ON DATABASE ${pg.escapeIdentifier(this.#name)} IS ${pg.escapeLiteral(comment)}`,
      );
    });
  }

  #free(name: string): string {
    if (!(name in this.#catalog)) return name;
    throw new ColdspareError(
      'database-failed',
      `there is a database ${name} already`,
      'drop it if nobody needs it, then try again',
      { value: name },
    );
  }

  #missing(name: string): never {
    throw new ColdspareError(
      'database-failed',
      `there is no database ${name}`,
      'GET /status shows what is there; a promote restores the newest backup',
      { value: name },
    );
  }

  #directoryOf(name: string): string {
    return (this.#catalog[name] ?? this.#missing(name)).directory;
  }

  #path(directory: string): string {
    return join(this.#layout.databases, directory);
  }

  async #newDirectory(source: string): Promise<string> {
    const directory = randomUUID();
    const from = source === this.#layout.template ? source : this.#path(source);
    await cp(from, this.#path(directory), { recursive: true });
    return directory;
  }

  #remove(directory: string): Promise<void> {
    return rm(this.#path(directory), { recursive: true, force: true });
  }

  /** What a crash left behind: restores and copies that no catalog came to name, and dumps in transit. */
  async #sweep(): Promise<void> {
    const named = new Set(Object.values(this.#catalog).map((entry) => entry.directory));
    for (const directory of await readdir(this.#layout.databases)) {
      if (!named.has(directory)) await this.#remove(directory);
    }
    const { outgoingDump, arrivingDump } = this.#layout;
    for (const dump of [outgoingDump, ...Object.values(arrivingDump)])
      await rm(dump, { force: true });
  }
}

const refusedQuery = (cause: unknown): ColdspareError =>
  new ColdspareError(
    'database-failed',
    `the database refused the query: ${cause instanceof Error ? cause.message : String(cause)}`,
    'run the query by hand against a copy of the database',
    { cause },
  );

const mustStay = (name: string): ColdspareError =>
  new Refused(
    'database-failed',
    `the database ${name} is in use and cannot be dropped`,
    'name one of the copies beside it',
    { value: name },
  );

const notOpen = (name: string): ColdspareError =>
  new ColdspareError(
    'database-unreachable',
    `the database ${name} could not be opened after the last change`,
    'free its port if something else has it; a stop and a start open it again',
    { value: name },
  );
