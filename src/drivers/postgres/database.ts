import { setTimeout as sleep } from 'node:timers/promises';
import { drillName, incomingName } from '../../domain/database-names.js';
import { Refused, toColdspareError } from '../../domain/errors.js';
import { readMarker, withMarker } from '../../domain/marker.js';
import type { Database } from '../../ports/stack.js';
import { answerOf } from './answer.js';
import { dumpDatabase } from './dump.js';
import { endSessions, renameDatabases } from './exclusive-access.js';
import { readFingerprint } from './fingerprint.js';
import { readFreeBytes } from './free-space.js';
import { FREEZE_SETTING } from './globals.js';
import { beginSnapshot, readInventory, readSequences } from './inventory.js';
import { type KeptSession, keepSession } from './kept-session.js';
import { type PsqlSession, withSession } from './psql-session.js';
import { dropDatabase, restoreDatabase } from './restore.js';
import type { Server } from './server.js';
import { identifier, literal } from './sql.js';

const FREEZE = `SET ${FREEZE_SETTING} = on`;
const ANSWER_TIMEOUT_MS = 3_000;
const POLL_MS = 250;
const START_AGAIN_MS = 3_000;
const CHECKPOINT_TIMEOUT_MS = 60_000;

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
  service?: Record<'start' | 'stop', (signal: AbortSignal) => Promise<void>>;
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
  const maintenance = name === 'postgres' ? 'template1' : 'postgres';

  const kept = keepSession(server, maintenance);
  const ask = <T>(use: (session: PsqlSession) => Promise<T>) =>
    kept.use({ timeout: timeouts.query }, use);

  const count = (database: string) =>
    withSession(server, database, { timeout: timeouts.transfer }, async (session) => {
      await beginSnapshot(session);
      return readInventory(session);
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
    start: async (signal) => {
      if (await kept.answers(ANSWER_TIMEOUT_MS)) return;
      await service?.start(signal);
      const deadline = performance.now() + timeouts.start;
      const recoveryDeadline = performance.now() + Math.max(timeouts.start, timeouts.transfer);
      let startAgainAt = performance.now() + START_AGAIN_MS;
      for (;;) {
        try {
          await kept.use({ timeout: ANSWER_TIMEOUT_MS, signal }, isThere);
          return;
        } catch (error) {
          signal.throwIfAborted();
          const isComingUp = isStartingUp(error);
          if (performance.now() >= (isComingUp ? recoveryDeadline : deadline)) throw error;
          await sleep(POLL_MS);
          if (isComingUp) continue;
        }
        const now = performance.now();
        // Not shortly before the deadline: the last answer should not come from a server that was only just started.
        if (now < startAgainAt || deadline - now < START_AGAIN_MS) continue;
        startAgainAt = now + START_AGAIN_MS;
        // At the first start, a server that was still shutting down may have looked as if it ran. A server that is
        // starting may refuse this second start; it goes on starting.
        await service?.start(signal).catch(() => signal.throwIfAborted());
      }
    },

    stop: async (signal) => {
      if (service !== undefined) await checkpoint(kept, signal);
      await kept.close();
      await service?.stop(signal);
    },

    // New session, so this also tests that connections are accepted.
    answers: () =>
      withSession(server, maintenance, { timeout: ANSWER_TIMEOUT_MS }, isThere).then(
        () => true,
        () => false,
      ),

    live: async () => {
      const comment = await ask(readComment);
      return { exists: comment !== undefined, marker: readMarker(comment ?? undefined) };
    },

    mark: (marker) =>
      ask(async (session) => {
        const comment = withMarker((await readComment(session)) ?? undefined, marker);
        await session.run(`COMMENT ON DATABASE ${identifier(name)} IS ${literal(comment)}`);
      }),

    inventory: (of) => count(of === undefined ? name : databases[of]),

    fingerprint: () =>
      withSession(server, name, { timeout: timeouts.query }, async (session) => {
        await beginSnapshot(session);
        return readFingerprint(session, await readSequences(session));
      }),

    dump: (sink, signal) =>
      dumpDatabase(server, name, sink, { timeout: timeouts.transfer, signal }),

    restore: (content, manifest, signal, { staging = 'incoming', gently = false } = {}) =>
      restoreDatabase({ server, maintenance, name: databases[staging] }, content, manifest, {
        timeout: timeouts.transfer,
        signal,
        gently,
        isForUse: gently && staging === 'incoming',
      }),

    answer: (sql, timeout, signal) => answerOf(server, databases.drill, sql, { timeout, signal }),

    discard: (staging = 'incoming') => dropDatabase(server, maintenance, databases[staging]),

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
        return await readFreeBytes(server.executor, directory);
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

    drop: async (other) => {
      if (other === name || other === maintenance) throw inUse(other);
      await dropDatabase(server, maintenance, other);
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
      return withSession(server, name, { timeout: timeouts.query }, countWrites);
    },
  };
};

const isThere = (session: PsqlSession): Promise<unknown> => session.select('SELECT 1 AS one');

/**
 * Whether the server says that it is recovering from a crash. That takes long after many writes, and a server that is
 * stopped then has to begin again. A server that does not speak English gets the ordinary deadline.
 */
const isStartingUp = (error: unknown): boolean =>
  /the database system is (starting up|in recovery mode|not yet accepting connections)/.test(
    toColdspareError(error).message,
  );

/**
 * Checkpoint before a stop: Compose kills after 10 s, and writing gigabytes that were just restored takes longer. The
 * next start would then be a recovery. Not every user may do this; without it, the stop works as well as before.
 */
const checkpoint = async (kept: KeptSession, signal: AbortSignal): Promise<void> => {
  try {
    // A server that is down is found out sooner by this.
    await kept.use({ timeout: ANSWER_TIMEOUT_MS, signal }, isThere);
    await kept.use({ timeout: CHECKPOINT_TIMEOUT_MS, signal }, (session) =>
      session.run('CHECKPOINT'),
    );
  } catch {
    // It is down already, or the user may not do this.
  }
};

/** Includes pg_class, because changes of the schema and TRUNCATE count no rows of a table. */
const countWrites = async (session: PsqlSession): Promise<bigint> => {
  // Before 15, statistics reach a reader up to half a second late.
  await session.run(`SELECT pg_sleep(1) WHERE current_setting('server_version_num')::int < 150000`);
  const { writes } = await session.row<{ writes: string }>(
    `SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::text AS writes
     FROM pg_stat_all_tables
     WHERE schemaname !~ '^pg_' AND schemaname <> 'information_schema'
        OR relid IN ('pg_class'::regclass, 'pg_largeobject'::regclass)`,
  );
  return BigInt(writes);
};

const inUse = (name: string) =>
  new Refused(
    'database-failed',
    `the database ${name} is in use and cannot be dropped`,
    'name one of the copies instead',
    { value: name },
  );
