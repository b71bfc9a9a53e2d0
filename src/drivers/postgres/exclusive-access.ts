import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ColdspareError } from '../../domain/errors.js';
import type { KeptSession } from './kept-session.js';
import { type PsqlSession, sqlstateOf } from './psql-session.js';
import { identifier, literal } from './sql.js';

const OBJECT_IN_USE = '55006';
const TRIES = 4;
const TIMEOUT_MS = 60_000;
const TERMINATE_EVERY_MS = 100;

export interface Rename {
  from: string;
  to: string;
}

/**
 * Renames databases in one transaction, together with `more` statements, while clients are connected to them
 * and keep connecting. Once a rename runs, PostgreSQL lets new sessions of that database wait, and gives the existing
 * ones 5 s to end; a second session of ours ends them meanwhile. All of it is one transaction, so a crash at any
 * point leaves either the old state or the new one.
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
  return withExclusiveAccess(
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
 * Ends every session of `database`. Every later session was opened after this call. A rename that is rolled back
 * makes sure of that: it also excludes sessions that are still authenticating, which the list of sessions lacks.
 */
export const endSessions = (maintenance: KeptSession, database: string): Promise<void> =>
  withExclusiveAccess(maintenance, [database], async (session) => {
    await session.run('BEGIN');
    await session.run(
      `ALTER DATABASE ${identifier(database)} RENAME TO ${identifier(`coldspare-${randomUUID()}`)}`,
    );
    await session.run('ROLLBACK');
  });

const withExclusiveAccess = async (
  maintenance: KeptSession,
  databases: readonly string[],
  change: (session: PsqlSession) => Promise<void>,
): Promise<void> => {
  for (let tries = 1; ; tries += 1) {
    const done = new AbortController();
    // Never rejects.
    let ending: Promise<void> | undefined;
    try {
      return await maintenance.use({ timeout: TIMEOUT_MS }, async (session) => {
        const terminate = await terminateStatement(session, databases);
        await session.run(terminate);
        ending = repeatUntil(done.signal, maintenance, terminate);
        await change(session);
      });
    } catch (error) {
      if (tries === TRIES || sqlstateOf(error) !== OBJECT_IN_USE) throw error;
      await assertNonePrepared(maintenance, databases);
    } finally {
      done.abort();
      await ending;
    }
  }
};

/**
 * A prepared transaction has no session that could be ended, and locks its database until somebody decides about it.
 * @throws ColdspareError `database-failed` when there is one, with its name
 */
const assertNonePrepared = async (
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
    `${databases.join(', ')} is locked by ${prepared.length} prepared transactions, such as ${first.gid} of ${first.owner}`,
    `run COMMIT PREPARED or ROLLBACK PREPARED ${literal(first.gid)} in psql there, then repeat the operation`,
    { value: first.gid },
  );
};

/**
 * A statement that ends the sessions which exist when it runs. Those that wait for a lock come first. Otherwise one
 * could get its lock when the session before it ends, and still do a write that its client gave up long ago (H21).
 */
const terminateStatement = async (
  session: PsqlSession,
  databases: readonly string[],
): Promise<string> => {
  // By oid: after the renames, the name may belong to the new database.
  const found = await session.select<{ oid: number }>(
    `SELECT oid FROM pg_database WHERE datname IN (${databases.map(literal).join(', ')})`,
  );
  return `SELECT pg_terminate_backend(pid) FROM (
      SELECT pid FROM pg_stat_activity
      WHERE datid = ANY('{${found.map(({ oid }) => oid)}}'::oid[]) AND pid <> pg_backend_pid()
      ORDER BY wait_event_type IS DISTINCT FROM 'Lock'
    ) session`;
};

/** Ends sessions that come later. When this fails, the rename is refused, and that error is reported. */
const repeatUntil = async (
  done: AbortSignal,
  maintenance: KeptSession,
  terminate: string,
): Promise<void> => {
  const pause = () => sleep(TERMINATE_EVERY_MS, undefined, { signal: done });
  try {
    // Usually no session comes, and this needs none of its own.
    await pause();
    await maintenance.use({ timeout: TIMEOUT_MS }, async (session) => {
      for (;;) {
        await session.run(terminate);
        await pause();
      }
    });
  } catch {
    // The rename is done, or reports the error.
  }
};
