import type { DatabaseGlobals, DatabaseRole } from '../../domain/manifest.js';
import { IS_POWERFUL, LOADER_PREFIX } from './loader.js';
import type { PsqlSession } from './psql-session.js';
import { identifier, literal } from './sql.js';
import { readTextSettings } from './text-settings.js';

/** `freeze` stops writes with this setting. A copy of the database must not inherit it. */
export const FREEZE_SETTING = 'default_transaction_read_only';

/** What belongs to the session's database but is not inside a dump of it. */
export const readGlobals = async (session: PsqlSession): Promise<DatabaseGlobals> => {
  const database = await session.row<Omit<DatabaseGlobals, 'roles' | 'settings'>>(
    `SELECT pg_encoding_to_char(encoding) AS encoding, datcollate AS collate, datctype AS ctype,
            pg_get_userbyid(datdba) AS owner
     FROM pg_database WHERE datname = current_database()`,
  );
  const settings = await session.select<{ setting: string }>(
    `SELECT unnest(s.setconfig) AS setting
     FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
     WHERE d.datname = current_database() AND s.setrole = 0`,
  );
  return {
    ...database,
    settings: Object.fromEntries(
      Object.entries(parseSettings(settings.map(({ setting }) => setting))).filter(
        ([name]) => name !== FREEZE_SETTING,
      ),
    ),
    roles: await readRoles(session),
    textSettings: await readTextSettings(session),
  };
};

/** `name=value` of each. */
const parseSettings = (settings: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    settings.map((setting) => {
      const at = setting.indexOf('=');
      return [setting.slice(0, at), setting.slice(at + 1)];
    }),
  );

/**
 * A condition on `pg_auth_members m`: the member has no rights of the group. Since 16, whoever may create roles becomes
 * such a member of each role that it creates. Before, there are no such columns.
 */
const GIVES_NOTHING = `to_jsonb(m) @> '{"inherit_option": false, "set_option": false}'`;

export const readRoles = async (session: PsqlSession): Promise<DatabaseRole[]> => {
  const access = await session.row<{ readable: boolean }>(
    `SELECT has_table_privilege('pg_authid', 'SELECT') AS readable`,
  );
  const verifier = access.readable ? 'rolpassword' : 'NULL';
  const roles = await session.select<
    Omit<DatabaseRole, 'settings' | 'validUntil' | 'verifier'> & {
      verifier: string | null;
      validUntil: string | null;
      settings: string[];
    }
  >(
    `SELECT rolname AS name, rolcanlogin AS login, rolsuper AS superuser, rolcreatedb AS "createDb",
            rolcreaterole AS "createRole", ${verifier} AS verifier, rolbypassrls AS "bypassRls",
            rolinherit AS inherit, rolreplication AS replication, rolconnlimit AS "connectionLimit",
            CASE WHEN isfinite(rolvaliduntil) THEN to_char(rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') END AS "validUntil",
            ARRAY(SELECT unnest(s.setconfig) FROM pg_db_role_setting s
                  WHERE s.setrole = r.oid AND s.setdatabase = 0) AS settings,
            ARRAY(SELECT DISTINCT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
                  WHERE m.member = r.oid AND NOT ${GIVES_NOTHING} ORDER BY 1) AS "memberOf"
     FROM ${access.readable ? 'pg_authid' : 'pg_roles'} r
     WHERE rolname !~ '^pg_' AND NOT starts_with(rolname, ${literal(LOADER_PREFIX)}) ORDER BY 1`,
  );
  return roles.map(({ verifier, validUntil, settings, ...role }) => ({
    ...role,
    settings: parseSettings(settings),
    ...(validUntil !== null && { validUntil }),
    ...(verifier !== null && { verifier }),
  }));
};

/**
 * Creates the roles and memberships that this server lacks. Existing roles are not changed. Safe to repeat. A manifest
 * comes from the peer and makes nobody a superuser, nor gives anybody what is as good. Resolves to what was withheld.
 */
export const createRoles = async (
  session: PsqlSession,
  roles: readonly DatabaseRole[],
): Promise<string[]> => {
  const existing = new Map(
    (await readRoles(session)).map(({ name, memberOf }) => [name, memberOf]),
  );
  const powerful = await session.select<{ name: string }>(
    `SELECT rolname AS name FROM pg_roles r WHERE ${IS_POWERFUL}`,
  );
  const withheld: string[] = [];
  for (const role of roles.filter(({ name }) => !existing.has(name))) {
    const options = [
      role.login ? 'LOGIN' : 'NOLOGIN',
      'NOSUPERUSER',
      role.createDb ? 'CREATEDB' : 'NOCREATEDB',
      role.createRole ? 'CREATEROLE' : 'NOCREATEROLE',
      // Older manifests lack what follows; the defaults here are those of CREATE ROLE.
      role.bypassRls ? 'BYPASSRLS' : 'NOBYPASSRLS',
      role.inherit === false ? 'NOINHERIT' : 'INHERIT',
      role.replication ? 'REPLICATION' : 'NOREPLICATION',
      `CONNECTION LIMIT ${role.connectionLimit ?? -1}`,
      ...(role.validUntil === undefined ? [] : [`VALID UNTIL ${literal(role.validUntil)}`]),
      ...(role.verifier === undefined ? [] : [`PASSWORD ${literal(role.verifier)}`]),
    ];
    await session.run(`CREATE ROLE ${identifier(role.name)} ${options.join(' ')}`);
    for (const statement of settingStatements('ROLE', role.name, role.settings ?? {}))
      await session.run(statement);
    if (role.superuser)
      withheld.push(
        `${role.name} is a superuser on the other server, and was made an ordinary role here: if the app needs that, type ALTER ROLE ${identifier(role.name)} SUPERUSER in psql here`,
      );
  }
  for (const role of roles) {
    for (const group of role.memberOf.filter(
      (group) => !existing.get(role.name)?.includes(group),
    )) {
      const grant = `GRANT ${identifier(group)} TO ${identifier(role.name)}`;
      if (powerful.some(({ name }) => name === group))
        withheld.push(
          `${role.name} is a member of ${group} on the other server, which is as good as a superuser, and not here: if the app needs that, type ${grant} in psql here`,
        );
      else await session.run(grant);
    }
  }
  return withheld;
};

/** `ALTER … SET` for each setting. */
export const settingStatements = (
  of: 'DATABASE' | 'ROLE',
  owner: string,
  settings: DatabaseGlobals['settings'],
): string[] =>
  Object.entries(settings).map(
    ([name, value]) =>
      `ALTER ${of} ${identifier(owner)} SET ${name.split('.').map(identifier).join('.')} TO ${settingValue(name, value)}`,
  );

/** PostgreSQL keeps these settings as lists of quoted names. Given as one string, a list would become one long name. */
const LISTS = new Set([
  'local_preload_libraries',
  'search_path',
  'session_preload_libraries',
  'temp_tablespaces',
]);

const settingValue = (name: string, value: string): string => {
  if (!LISTS.has(name)) return literal(value);
  const items = value.match(/"(?:[^"]|"")*"|[^,\s]+/g) ?? [''];
  return items
    .map((item) => literal(item.startsWith('"') ? item.slice(1, -1).replaceAll('""', '"') : item))
    .join(', ');
};
