import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type PsqlSession, sqlstateOf, withSession } from './psql-session.js';
import { identifier, literal } from './sql.js';
import type { Server } from './tools.js';

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
  server: Server,
  maintenance: string,
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
    server,
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
export const endSessions = (server: Server, maintenance: string, database: string): Promise<void> =>
  alone(server, maintenance, [database], async (session) => {
    await session.run('BEGIN');
    await session.run(
      `ALTER DATABASE ${identifier(database)} RENAME TO ${identifier(`coldspare-${randomUUID()}`)}`,
    );
    await session.run('ROLLBACK');
  });

const alone = async (
  server: Server,
  maintenance: string,
  databases: readonly string[],
  change: (session: PsqlSession) => Promise<void>,
): Promise<void> => {
  for (let attempt = 1; ; attempt += 1) {
    const done = new AbortController();
    const ending = terminateUntil(done.signal, server, maintenance, databases);
    try {
      return await withSession(server, maintenance, { timeout: TIMEOUT_MS }, change);
    } catch (error) {
      if (attempt === ATTEMPTS || sqlstateOf(error) !== OBJECT_IN_USE) throw error;
    } finally {
      done.abort();
      await ending;
    }
  }
};

/** Keeps ending the sessions of `databases`. Its own trouble shows as a rename that is refused. */
const terminateUntil = (
  done: AbortSignal,
  server: Server,
  maintenance: string,
  databases: readonly string[],
): Promise<void> =>
  withSession(server, maintenance, { timeout: TIMEOUT_MS }, async (session) => {
    // By number, not by name: after the renames the name may be that of the successor.
    const found = await session.select<{ oid: number }>(
      `SELECT oid FROM pg_database WHERE datname IN (${databases.map(literal).join(', ')})`,
    );
    const terminate = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datid = ANY('{${found.map(({ oid }) => oid)}}'::oid[]) AND pid <> pg_backend_pid()`;
    while (!done.aborted) {
      await session.run(terminate);
      await sleep(TERMINATE_EVERY_MS, undefined, { signal: done });
    }
  }).catch(() => {});
