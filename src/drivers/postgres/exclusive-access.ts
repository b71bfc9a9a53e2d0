import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ColdspareError } from '../../domain/errors.js';
import type { KeptSession } from './kept-session.js';
import { type PsqlSession, sqlstateOf } from './psql-session.js';
import { identifier, literal } from './sql.js';

const OBJECT_IN_USE = '55006';
const ATTEMPTS = 4;
const TIMEOUT_MS = 60_000;
const TERMINATE_EVERY_MS = 100;

export interface Rename {
  from: string;
  to: string;
}

/**
 * Renames databases in one transaction, together with `more` statements, while clients are connected to them
 * and keep connecting. From its rename on, PostgreSQL makes newcomers of a database wait, and gives the sessions
 * that are there 5 s to go; meanwhile a second session of ours ends them. Nothing outlasts the transaction, so a
 * crash at any point leaves everything as it was or as it should be.
 */
export const renameDatabases = (
  maintenance: KeptSession,
  renames: readonly Rename[],
  more: readonly string[] = [],
): Promise<void> => {
  const statements = [
    ...renames.map(
      ({ from, to }) => `ALTER DATABASE ${identifier(from)} RENAME TO ${identifier(to)}`,
    ),
    ...more,
  ];
  return alone(
    maintenance,
    renames.map(({ from }) => from),
    async (session) => {
      await session.run('BEGIN');
      for (const statement of statements) await session.run(statement);
      await session.run('COMMIT');
    },
  );
};

/**
 * Ends every session of `database`. Whoever connects afterwards has started after this call: a rename that is
 * taken back proves it, where the list of sessions would miss one that is just being let in.
 */
export const endSessions = (maintenance: KeptSession, database: string): Promise<void> =>
  alone(maintenance, [database], async (session) => {
    await session.run('BEGIN');
    await session.run(
      `ALTER DATABASE ${identifier(database)} RENAME TO ${identifier(`coldspare-${randomUUID()}`)}`,
    );
    await session.run('ROLLBACK');
  });

const alone = async (
  maintenance: KeptSession,
  databases: readonly string[],
  change: (session: PsqlSession) => Promise<void>,
): Promise<void> => {
  for (let attempt = 1; ; attempt += 1) {
    const done = new AbortController();
    let ending: Promise<void> | undefined;
    try {
      return await maintenance.use({ timeout: TIMEOUT_MS }, async (session) => {
        const terminate = await terminateStatement(session, databases);
        await session.run(terminate);
        ending = repeatUntil(done.signal, maintenance, terminate);
        await change(session);
      });
    } catch (error) {
      if (attempt === ATTEMPTS || sqlstateOf(error) !== OBJECT_IN_USE) throw error;
      await refusePrepared(maintenance, databases);
    } finally {
      done.abort();
      await ending;
    }
  }
};

/**
 * A prepared transaction belongs to no session that could be ended, and holds its database for ever.
 * @throws ColdspareError `database-failed` naming one, when there is one
 */
const refusePrepared = async (
  maintenance: KeptSession,
  databases: readonly string[],
): Promise<void> => {
  const prepared = await maintenance.use({ timeout: TIMEOUT_MS }, (session) =>
    session.select<{ gid: string; owner: string }>(
      `SELECT gid, owner FROM pg_prepared_xacts WHERE database IN (${databases.map(literal).join(', ')})`,
    ),
  );
  const [first] = prepared;
  if (first === undefined) return;
  throw new ColdspareError(
    'database-failed',
    `${databases.join(', ')} cannot be had alone: ${prepared.length} prepared transactions are open there, such as ${first.gid} of ${first.owner}`,
    `in psql there: COMMIT PREPARED or ROLLBACK PREPARED ${literal(first.gid)}, then ask again`,
    { value: first.gid },
  );
};

/**
 * Ends the sessions that are there when it runs. First those that wait for a lock: a write whose client has given up
 * long ago would otherwise be done at the very end, when the session before it goes and leaves it the lock (H21).
 */
const terminateStatement = async (
  session: PsqlSession,
  databases: readonly string[],
): Promise<string> => {
  // By number, not by name: after the renames the name may be that of the successor.
  const found = await session.select<{ oid: number }>(
    `SELECT oid FROM pg_database WHERE datname IN (${databases.map(literal).join(', ')})`,
  );
  return `SELECT pg_terminate_backend(pid) FROM (
      SELECT pid FROM pg_stat_activity
      WHERE datid = ANY('{${found.map(({ oid }) => oid)}}'::oid[]) AND pid <> pg_backend_pid()
      ORDER BY wait_event_type IS DISTINCT FROM 'Lock'
    ) session`;
};

/** For those that come after the first time. Its own trouble shows as a rename that is refused. */
const repeatUntil = async (
  done: AbortSignal,
  maintenance: KeptSession,
  terminate: string,
): Promise<void> => {
  const pause = () => sleep(TERMINATE_EVERY_MS, undefined, { signal: done });
  try {
    // Most often nobody comes, and no second session is needed.
    await pause();
    await maintenance.use({ timeout: TIMEOUT_MS }, async (session) => {
      for (;;) {
        await session.run(terminate);
        await pause();
      }
    });
  } catch {
    // Done, or to be seen by the rename.
  }
};
