import type { DatabaseRole } from '../../domain/manifest.js';
import { readRoles } from './globals.js';
import type { PsqlSession } from './psql-session.js';

/**
 * What belongs to the session's database and is in no backup, by name, and other databases of its server. A dump does
 * not hold it, and a restore does not make it.
 */
export const readUncarried = async (session: PsqlSession): Promise<string[]> => {
  const { version } = await session.row<{ version: number }>(
    "SELECT current_setting('server_version_num')::int AS version",
  );
  const queries = version >= 150_000 ? [...QUERIES, ...SINCE_15] : QUERIES;
  const found = await session.select<{ what: string }>(queries.join('\nUNION ALL\n'));
  return found.map(({ what }) => what);
};

/** Each gives `what`. `o` is our database. */
const OURS = 'pg_database o WHERE o.datname = current_database()';
const RIGHTS = `pg_database o, aclexplode(coalesce(o.datacl, acldefault('d', o.datdba))) a WHERE o.datname = current_database()`;
const DEFAULT_RIGHTS = `pg_database o, aclexplode(acldefault('d', o.datdba)) a WHERE o.datname = current_database()`;
const TO = `CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END`;
const RIGHT = `format('%s ON DATABASE %I', a.privilege_type, o.datname)`;

const QUERIES = [
  `SELECT format('the database %I', datname) AS what FROM pg_database
   WHERE NOT datistemplate AND datname NOT IN ('postgres', current_database())
     AND datname !~ '_(incoming|drill|(before|diverged)_[0-9]{8}_[0-9]{6})$'`,
  `(SELECT format('GRANT %s TO %s', ${RIGHT}, ${TO}) FROM ${RIGHTS}
    EXCEPT SELECT format('GRANT %s TO %s', ${RIGHT}, ${TO}) FROM ${DEFAULT_RIGHTS})`,
  `(SELECT format('REVOKE %s FROM %s', ${RIGHT}, ${TO}) FROM ${DEFAULT_RIGHTS}
    EXCEPT SELECT format('REVOKE %s FROM %s', ${RIGHT}, ${TO}) FROM ${RIGHTS})`,
  // The name of a setting only: its value may be a secret.
  `SELECT format('ALTER ROLE %I IN DATABASE %I SET %s', pg_get_userbyid(s.setrole), o.datname, split_part(c, '=', 1))
   FROM pg_db_role_setting s, unnest(s.setconfig) c, ${OURS} AND s.setdatabase = o.oid AND s.setrole <> 0`,
  `SELECT format('GRANT %I TO %I WITH ADMIN OPTION', pg_get_userbyid(roleid), pg_get_userbyid(member))
   FROM pg_auth_members WHERE admin_option AND pg_get_userbyid(member) !~ '^pg_'`,
  // Since 16, a membership may give less than a plain GRANT does.
  `SELECT format('GRANT %I TO %I WITH INHERIT %s, SET %s', pg_get_userbyid(roleid), r.rolname,
       to_jsonb(m) ->> 'inherit_option', to_jsonb(m) ->> 'set_option')
   FROM pg_auth_members m JOIN pg_roles r ON r.oid = member
   WHERE r.rolname !~ '^pg_' AND (to_jsonb(m) -> 'inherit_option' <> to_jsonb(r.rolinherit) OR to_jsonb(m) -> 'set_option' = 'false')
     AND (to_jsonb(m) -> 'inherit_option' = 'true' OR to_jsonb(m) -> 'set_option' = 'true')`,
  `SELECT format('ALTER DATABASE %I CONNECTION LIMIT %s', o.datname, o.datconnlimit) FROM ${OURS} AND o.datconnlimit >= 0`,
  `SELECT format('the subscription %I', subname) FROM pg_subscription s, ${OURS} AND s.subdbid = o.oid`,
  `SELECT format('the replication slot %I', slot_name) FROM pg_replication_slots
   WHERE database = current_database() AND NOT temporary`,
  `SELECT format('the tablespace %I', spcname) FROM pg_tablespace t, ${OURS} AND spcname !~ '^pg_'
     AND (t.oid = o.dattablespace OR EXISTS (SELECT FROM pg_class WHERE reltablespace = t.oid))`,
  `SELECT format('the password of the role %I, which this DB_USER may not read', rolname) FROM pg_roles
   WHERE rolcanlogin AND rolname !~ '^pg_' AND rolname <> current_user AND NOT has_table_privilege('pg_authid', 'SELECT')`,
];

/** From PostgreSQL 15 on. */
const SINCE_15 = [
  `SELECT format('GRANT %s ON PARAMETER %s TO %s', a.privilege_type, parname, ${TO})
   FROM pg_parameter_acl, aclexplode(paracl) a WHERE a.grantee <> 10`,
  `SELECT format('the collation provider of %I, which is not that of the C library', o.datname)
   FROM ${OURS} AND o.datlocprovider <> 'c'`,
];

/**
 * How the roles of a backup differ from those of the same name on this server, which a restore does not change, and
 * whether this server fails to archive its write-ahead log. The agent's own role is left out: each server has one of
 * its own.
 */
export const readDifferences = async (
  session: PsqlSession,
  expected: readonly DatabaseRole[],
): Promise<string[]> => {
  const { user } = await session.row<{ user: string }>('SELECT current_user AS user');
  const actual = new Map((await readRoles(session)).map((role) => [role.name, role]));
  const roles = expected.flatMap((role) => {
    const here = actual.get(role.name);
    if (here === undefined || role.name === user) return [];
    const differing = ROLE_FACTS.filter(
      ([, fact]) => fact(role) !== undefined && fact(role) !== fact(here),
    );
    return differing.length === 0
      ? []
      : [`the role ${role.name}: ${differing.map(([name]) => name).join(', ')}`];
  });
  return [...roles, ...(await readFailingArchive(session))];
};

/** Undefined where a manifest of before does not say it. */
const ROLE_FACTS: [name: string, fact: (role: DatabaseRole) => unknown][] = [
  ['password', ({ login, verifier }) => (login ? verifier : undefined)],
  ['LOGIN', ({ login }) => login],
  ['SUPERUSER', ({ superuser }) => superuser],
  ['CREATEDB', ({ createDb }) => createDb],
  ['CREATEROLE', ({ createRole }) => createRole],
  ['BYPASSRLS', ({ bypassRls }) => bypassRls],
  ['INHERIT', ({ inherit }) => inherit],
  ['CONNECTION LIMIT', ({ connectionLimit }) => connectionLimit],
  ['settings', ({ settings }) => settings && JSON.stringify(Object.entries(settings).sort())],
];

/** WAL archiving that fails keeps every file of the write-ahead log, until the disk is full. */
const readFailingArchive = async (session: PsqlSession): Promise<string[]> => {
  const failing = await session.select<{ what: string }>(
    `SELECT format('WAL archiving: %s times failed, last with %s', failed_count, last_failed_wal) AS what
     FROM pg_stat_archiver WHERE current_setting('archive_mode') <> 'off'
       AND last_failed_time > coalesce(last_archived_time, '-infinity')`,
  );
  return failing.map(({ what }) => what);
};
