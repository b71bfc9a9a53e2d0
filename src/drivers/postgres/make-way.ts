import { setTimeout as sleep } from 'node:timers/promises';
import { ColdspareError, toColdspareError } from '../../domain/errors.js';
import { BLOCKED } from '../../ports/stack.js';
import { type PsqlSession, type SessionOptions, sqlstateOf, withSession } from './psql-session.js';
import type { Server } from './server.js';
import { literal } from './sql.js';

/** SQLSTATE. */
export const LOCK_NOT_AVAILABLE = '55P03';

/** Milliseconds between two looks. */
const LOOK_MS = 250;
/** Milliseconds within which a link that breaks ends everything that goes over it. */
export const LINK_MS = 1_000;
/** Milliseconds that somebody is seen to wait. With the looks around it, nobody waits for two seconds. */
const PATIENCE_MS = 1_250;

/** The sessions of one dump: the one with the snapshot, and those of pg_dump. */
interface Dumping {
  pid: number;
  /** `application_name` of pg_dump's sessions. */
  application: string;
}

interface Waiter {
  pid: number;
  /** What it is, and what it waits for. Never its statement, which may hold values. */
  what: string;
}

/**
 * Runs `dump`, and ends the sessions of the dump when somebody waits for a lock of theirs, or they for somebody else's.
 * Readers queue up behind whoever waits for a whole table, so to them the app would be down until the dump is over. No
 * server can detect that pg_dump waits for such a one as well: it does not know that our session waits for pg_dump.
 * @throws ColdspareError `database-failed` of value `BLOCKED` when it made way
 */
export const makingWay = <T>(
  server: Server,
  database: string,
  options: SessionOptions,
  dumping: Dumping,
  dump: (options: SessionOptions) => Promise<T>,
): Promise<T> =>
  withSession(server, database, options, async (watcher) => {
    const done = new AbortController();
    const blocked = new AbortController();
    const watching = (async () => {
      const waiter = await firstToWaitLong(watcher, dumping, done.signal);
      if (waiter === undefined) return;
      // In the server first: it does not notice that its client is killed as long as it has nothing to send.
      await watcher
        .select(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${isOurs(dumping)}`)
        .finally(() => blocked.abort(madeWay(waiter.what)));
    })();
    // Nobody would see who waits, so a dump without its watcher is ended. A link that breaks ends both, and the dump
    // says better that it was the link.
    watching.catch(async (error: unknown) => {
      await sleep(LINK_MS, undefined, { ref: false });
      blocked.abort(error);
    });
    try {
      const signals = [options.signal, blocked.signal].filter((signal) => signal !== undefined);
      return await dump({ ...options, signal: AbortSignal.any(signals) });
    } catch (error) {
      if (!options.signal?.aborted) blocked.signal.throwIfAborted();
      throw error;
    } finally {
      done.abort();
      await watching.catch(() => {});
    }
  });

/** Whether a lock was not to be had: at once for ours, within its own time-out for pg_dump. */
export const isLockedOut = (error: unknown): boolean =>
  sqlstateOf(error) === LOCK_NOT_AVAILABLE ||
  /canceling statement due to (statement|lock) timeout\s[\s\S]*LOCK TABLE/.test(
    toColdspareError(error).message,
  );

export const madeWay = (waiter: string, cause?: unknown): ColdspareError =>
  new ColdspareError(
    'database-failed',
    `the dump made way for a statement that needs a whole table, such as TRUNCATE or ALTER TABLE (${waiter})`,
    'it is tried again by itself; POST /backups takes one at once',
    { cause, value: BLOCKED },
  );

/** Undefined once `signal` is aborted. */
const firstToWaitLong = async (
  watcher: PsqlSession,
  dumping: Dumping,
  signal: AbortSignal,
): Promise<Waiter | undefined> => {
  let since = new Map<number, number>();
  while (!signal.aborted) {
    const now = performance.now();
    const waiters = await watcher.select<Waiter>(waitersQuery(dumping));
    since = new Map(waiters.map(({ pid }) => [pid, since.get(pid) ?? now]));
    const first = waiters.find(({ pid }) => now - (since.get(pid) ?? now) >= PATIENCE_MS);
    if (first !== undefined) return first;
    await sleep(LOOK_MS, undefined, { signal }).catch(() => {});
  }
  return undefined;
};

const isOurs = ({ pid, application }: Dumping, session = 'pg_stat_activity'): string =>
  `(${session}.pid = ${pid} OR ${session}.application_name = ${literal(application)})`;

/**
 * Whoever waits for the dump, and sessions of the dump that wait themselves. From the locks, which every role may see:
 * of other roles' sessions, only some may see what they wait for.
 */
const waitersQuery = (dumping: Dumping): string => `
  SELECT l.pid, concat_ws(' ', nullif(a.application_name, ''), 'waits for', l.mode, 'on',
           coalesce(c.relname, l.locktype)) AS what
  FROM pg_locks l
    JOIN pg_stat_activity a ON a.pid = l.pid
    LEFT JOIN pg_class c ON c.oid = l.relation
  WHERE NOT l.granted AND (${isOurs(dumping, 'a')} OR EXISTS (
    SELECT FROM pg_stat_activity o WHERE ${isOurs(dumping, 'o')} AND o.pid = ANY (pg_blocking_pids(l.pid))))`;
