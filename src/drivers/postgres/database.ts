import { drillName, incomingName } from '../../domain/database-names.js';
import { Refused } from '../../domain/errors.js';
import { readMarker, withMarker } from '../../domain/marker.js';
import type { Database } from '../../ports/stack.js';
import { answerOf } from './answer.js';
import { dumpDatabase } from './dump.js';
import { endSessions, renameDatabases } from './exclusive-access.js';
import { readFingerprint, readPosition } from './fingerprint.js';
import { readFreeBytes } from './free-space.js';
import { FREEZE_SETTING } from './globals.js';
import { beginSnapshot, readInventory, readSequences } from './inventory.js';
import { keepSession } from './kept-session.js';
import { type PsqlSession, withSession } from './psql-session.js';
import { withoutEventTriggers, withStream } from './quiet-sessions.js';
import { dropDatabase, restoreDatabase } from './restore.js';
import type { Server } from './server.js';
import { identifier, literal } from './sql.js';
import { ANSWER_TIMEOUT_MS, createStartAndStop, type Service } from './start-and-stop.js';
import { readDifferences, readUncarried } from './uncarried.js';
import { readValues } from './values.js';
import { countWrites, readUsage } from './writes.js';

const FREEZE = `SET ${FREEZE_SETTING} = on`;

/** Milliseconds. `transfer` is for what grows with the data: dump, restore, counting. */
export interface DatabaseTimeouts {
  start: number;
  stop: number;
  query: number;
  transfer: number;
}

export const DEFAULT_TIMEOUTS: DatabaseTimeouts = {
  start: 120_000,
  stop: 120_000,
  query: 30_000,
  transfer: 4 * 3_600_000,
};

export interface PostgresOptions {
  server: Server;
  /** Name of the live database. */
  name: string;
  /**
   * Starts and stops the service; absent when that is not ours to do. `start` may return before the server answers;
   * `stop` returns when it is down.
   */
  service?: Service;
  timeouts?: Partial<DatabaseTimeouts>;
}

/** A database of a real PostgreSQL server, 13 or later, through PostgreSQL's own tools. */
export const createPostgresDatabase = ({
  server,
  name,
  service,
  ...options
}: PostgresOptions): Database => {
  const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
  const incoming = incomingName(name);
  const databases = { incoming, drill: drillName(name) };
  const kept = keepSession(server, name === 'postgres' ? 'template1' : 'postgres', 'template1');
  const ask = <T>(use: (session: PsqlSession) => Promise<T>) =>
    kept.use({ timeout: timeouts.query }, use);

  const quietly = () => ask((session) => withoutEventTriggers(session, server));
  /** In a session of its own with the live database. */
  const inDatabase = async <T>(use: (session: PsqlSession) => Promise<T>): Promise<T> =>
    withSession(await quietly(), name, { timeout: timeouts.query }, use);
  /** Reads in one snapshot of a database. */
  const inSnapshot = async <T>(
    database: string,
    timeout: number,
    read: (session: PsqlSession) => Promise<T>,
  ): Promise<T> =>
    withSession(await quietly(), database, { timeout }, async (session) => {
      await beginSnapshot(session);
      return read(session);
    });

  /** The comment of the live database; null without a comment, undefined without a live database. */
  const readComment = async (session: PsqlSession): Promise<string | null | undefined> => {
    const [found] = await session.select<{ comment: string | null }>(
      `SELECT shobj_description(oid, 'pg_database') AS comment FROM pg_database
       WHERE datname = ${literal(name)}`,
    );
    return found?.comment;
  };

  const isFrozen = async (session: PsqlSession): Promise<boolean> => {
    const { frozen } = await session.row<{ frozen: boolean }>(
      `SELECT EXISTS (SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
         WHERE d.datname = ${literal(name)} AND s.setrole = 0
           AND ${literal(`${FREEZE_SETTING}=on`)} = ANY (s.setconfig)) AS frozen`,
    );
    return frozen;
  };

  const setting = (change: string): Promise<void> =>
    ask((session) => session.run(`ALTER DATABASE ${identifier(name)} ${change}`));

  return {
    ...createStartAndStop(kept, service, timeouts),

    // New session, so this also tests that connections are accepted.
    answers: () => kept.accepts(ANSWER_TIMEOUT_MS),

    live: async () => {
      const comment = await ask(readComment);
      if (comment === undefined) return { exists: false, marker: undefined };
      // Not every user may ask for the cluster, and a server that recovers has no position.
      const position = await ask((session) => readPosition(session, name)).catch(() => undefined);
      return { exists: true, marker: readMarker(comment ?? undefined), position };
    },

    mark: (marker) =>
      ask(async (session) => {
        const comment = withMarker((await readComment(session)) ?? undefined, marker);
        await session.run(`COMMENT ON DATABASE ${identifier(name)} IS ${literal(comment)}`);
      }),

    inventory: (of) =>
      inSnapshot(of === undefined ? name : databases[of], timeouts.transfer, readInventory),

    values: () => inSnapshot(databases.drill, timeouts.transfer, readValues),

    fingerprint: () =>
      inSnapshot(name, timeouts.query, async (session) =>
        readFingerprint(session, await readSequences(session)),
      ),

    dump: (sink, signal) =>
      withStream(sink, quietly(), (quiet) =>
        dumpDatabase(quiet, name, sink, { timeout: timeouts.transfer, signal }),
      ),

    restore: (content, manifest, signal, { staging = 'incoming', ...more } = {}) =>
      withStream(content, quietly(), (quiet) => {
        const { gently = false, incomplete = false, note = () => {} } = more;
        const target = {
          server: quiet,
          maintenance: kept.database,
          name: databases[staging],
          file: staging,
        };
        const timeout = timeouts.transfer;
        const options = { timeout, signal, gently, incomplete, note };
        return restoreDatabase(target, content, manifest, options);
      }),

    answer: async (sql, timeout, signal) =>
      answerOf(await quietly(), kept.database, databases.drill, sql, { timeout, signal }),

    discard: (staging = 'incoming') => dropDatabase(server, kept.database, databases[staging]),

    swap: async (marker, keepAs) => {
      const before = await ask(readComment);
      const isReplaced = before !== undefined;
      const comment = withMarker(before ?? undefined, marker);
      await renameDatabases(
        kept,
        [...(isReplaced ? [{ from: name, to: keepAs }] : []), { from: incoming, to: name }],
        [
          `COMMENT ON DATABASE ${identifier(name)} IS ${literal(comment)}`,
          `ALTER DATABASE ${identifier(name)} ${FREEZE}`,
        ],
      );
      return { kept: isReplaced };
    },

    setAside: async (keepAs) => {
      if ((await ask(readComment)) === undefined) return;
      await renameDatabases(kept, [{ from: name, to: keepAs }]);
    },

    freeSpace: async () => {
      try {
        // Not everybody may ask for the directory, or look at it.
        const { directory } = await ask((session) =>
          session.row<{ directory: string }>(
            `SELECT current_setting('data_directory') AS directory`,
          ),
        );
        return await readFreeBytes(server.executor.run, directory);
      } catch {
        return undefined;
      }
    },

    others: async () => {
      const found = await ask((session) =>
        session.select<{ name: string }>(
          `SELECT datname AS name FROM pg_database
           WHERE NOT datistemplate AND datname NOT IN ('postgres', ${literal(name)}) ORDER BY 1`,
        ),
      );
      return found.map((database) => database.name);
    },

    uncarried: () => inDatabase(readUncarried),

    differences: (roles) => ask((session) => readDifferences(session, roles)),

    drop: async (other) => {
      if (other === name || other === kept.database) throw inUse(other);
      await dropDatabase(server, kept.database, other);
    },

    freeze: async () => {
      await setting(FREEZE);
      await endSessions(kept, name);
    },

    thaw: async () => {
      // If the database was not frozen, its sessions can write and stay.
      if (!(await ask(isFrozen))) return;
      await setting(`RESET ${FREEZE_SETTING}`);
      // Existing sessions still cannot write. A failure is ignored: a prepared transaction must not keep users out.
      await endSessions(kept, name).catch(() => {});
    },

    writes: async () => {
      // A session reports what it wrote up to a second later, or when it ends. The database is frozen, so ending them
      // disturbs nobody.
      await endSessions(kept, name);
      return inDatabase(countWrites);
    },

    usage: () => inDatabase(readUsage),
  };
};

const inUse = (name: string) =>
  new Refused(
    'database-failed',
    `the database ${name} is in use and cannot be dropped`,
    'name one of the copies instead',
    { value: name },
  );
