import { randomBytes } from 'node:crypto';
import type { Staging } from '../../ports/stack.js';
import { type PsqlSession, type SessionOptions, withSession } from './psql-session.js';
import { NO_EVENT_TRIGGERS } from './quiet-sessions.js';
import type { Server } from './server.js';
import { identifier, literal } from './sql.js';

/** The role of a loader, followed by what it fills. No dump carries it. */
export const LOADER_PREFIX = 'coldspare_loads_';

/**
 * A login that fills a restored database with rows, for as long as that takes. While rows are read, code of the app's
 * roles runs: CHECK constraints, domains, generated columns. It may do there what this role may do: read and write rows.
 * `SET SESSION AUTHORIZATION` in a superuser's session would not do, because the code could take it back.
 */
export interface Loader {
  user: string;
  password: string;
  /** Roles whose tables it may alter. */
  memberOf: readonly string[];
}

/**
 * Undefined where it is not needed, because there is nobody but superusers or the session's user is none, or not possible
 * (before PostgreSQL 14).
 */
export const createLoader = async (
  session: PsqlSession,
  staging: Staging,
): Promise<Loader | undefined> => {
  const { isPossible } = await session.row<{ isPossible: boolean }>(
    `SELECT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
            AND EXISTS (SELECT FROM pg_roles WHERE rolname = 'pg_write_all_data') AS "isPossible"`,
  );
  if (!isPossible) return undefined;
  const others = await session.select<{ name: string; powerful: boolean; superuser: boolean }>(
    `SELECT r.rolname AS name, r.rolsuper AS superuser, ${IS_POWERFUL} AS powerful FROM pg_roles r
     WHERE r.rolname !~ '^pg_' AND NOT starts_with(r.rolname, ${literal(LOADER_PREFIX)})`,
  );
  if (others.every(({ superuser }) => superuser)) return undefined;
  const user = `${LOADER_PREFIX}${staging}`;
  const password = randomBytes(24).toString('hex');
  const memberOf = others.flatMap(({ name, powerful }) => (powerful ? [] : [name]));
  const groups = ['pg_read_all_data', 'pg_write_all_data', ...memberOf].map(identifier);
  await session.run(`DROP ROLE IF EXISTS ${identifier(user)}`);
  await session.run(
    `CREATE ROLE ${identifier(user)} LOGIN BYPASSRLS PASSWORD ${literal(password)} IN ROLE ${groups.join(', ')}`,
  );
  // Its messages are read, and it may not set this itself.
  await session.run(`ALTER ROLE ${identifier(user)} SET lc_messages TO 'C'`);
  return { user, password, memberOf };
};

/** A condition on `pg_roles r`: it may become a superuser, or act as the server's user, which is as good. */
export const IS_POWERFUL = `EXISTS (SELECT FROM pg_roles s WHERE pg_has_role(r.oid, s.oid, 'MEMBER')
  AND (s.rolsuper OR s.rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files')))`;

/** For superusers only. A loader has it from its role. */
export const ENGLISH = 'lc_messages=C';

/** The server as a loader reaches it. */
export const asLoader = (server: Server, { user, password }: Loader): Server => ({
  ...server,
  user,
  password,
  settings: (server.settings ?? []).filter(
    (setting) => ![ENGLISH, NO_EVENT_TRIGGERS].includes(setting),
  ),
});

/** False when the server does not let it in, such as for its pg_hba.conf. */
export const mayLogIn = (
  server: Server,
  database: string,
  loader: Loader,
  options: SessionOptions,
): Promise<boolean> =>
  withSession(asLoader(server, loader), database, options, (session) =>
    session.select('SELECT 1 AS one'),
  ).then(
    () => true,
    () => {
      options.signal?.throwIfAborted();
      return false;
    },
  );

/** Removes it, and what code that ran with its rights may have left in `database`. A failure is ignored: the next restore tries again. */
export const removeLoader = async (
  server: Server,
  connectTo: string,
  { user }: Loader,
  options: SessionOptions,
): Promise<void> => {
  await withSession(server, connectTo, options, async (session) => {
    await session.run(`DROP OWNED BY ${identifier(user)}`);
    await session.run(`DROP ROLE ${identifier(user)}`);
  }).catch(() => {});
};
