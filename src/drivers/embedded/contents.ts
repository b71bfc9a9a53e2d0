import type { PGlite } from '@electric-sql/pglite';
import type { DatabaseGlobals, DatabaseRole, Inventory } from '../../domain/manifest.js';
import { parseSettings } from '../postgres/globals.js';
import { CONSTRAINTS, EXTENSIONS, OWNERS } from '../postgres/schema-queries.js';

/** Names are qualified throughout: a client's search_path may still be in force in the shared session. */
const RELATIONS = `
  SELECT n.nspname || '.' || c.relname AS name,
         pg_catalog.format('%I.%I', n.nspname, c.relname) AS quoted
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind = $1 AND c.relpersistence <> 't'
    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  ORDER BY 1`;

interface Relation {
  name: string;
  quoted: string;
}

/** Nothing may write meanwhile. */
export const readInventory = async (engine: PGlite): Promise<Inventory> => {
  const rows: Inventory['rows'] = {};
  for (const { name, quoted } of (await engine.query<Relation>(RELATIONS, ['r'])).rows) {
    const { count } = await one<{ count: number }>(
      engine,
      `SELECT pg_catalog.count(*)::float8 AS count FROM ONLY ${quoted}`,
    );
    rows[name] = count;
  }
  const sequences: Inventory['sequences'] = {};
  for (const { name, quoted } of (await engine.query<Relation>(RELATIONS, ['S'])).rows) {
    sequences[name] = await one(
      engine,
      `SELECT last_value::text AS last, is_called AS called FROM ${quoted}`,
    );
  }
  const { count: largeObjects } = await one<{ count: number }>(
    engine,
    'SELECT pg_catalog.count(*)::float8 AS count FROM pg_catalog.pg_largeobject_metadata',
  );
  return {
    rows,
    sequences,
    largeObjects,
    constraints: await facts(engine, CONSTRAINTS),
    extensions: await facts(engine, EXTENSIONS),
    owners: await facts(engine, OWNERS),
  };
};

const facts = async (engine: PGlite, query: string): Promise<Record<string, string>> => {
  const { rows } = await engine.query<{ name: string; value: string }>(query);
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
};

/** `COMMENT ON DATABASE` of the open database. */
export const readComment = async (engine: PGlite): Promise<string | undefined> => {
  const { comment } = await one<{ comment: string | null }>(
    engine,
    `SELECT pg_catalog.shobj_description(oid, 'pg_database') AS comment
     FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()`,
  );
  return comment ?? undefined;
};

/** What the open database takes on disk, in bytes. */
export const readSize = async (engine: PGlite): Promise<number> =>
  (
    await one<{ size: number }>(
      engine,
      'SELECT pg_catalog.pg_database_size(pg_catalog.current_database())::float8 AS size',
    )
  ).size;

export const readServerVersion = async (engine: PGlite): Promise<string> =>
  (
    await one<{ version: string }>(
      engine,
      `SELECT pg_catalog.current_setting('server_version') AS version`,
    )
  ).version;

export const readGlobals = async (engine: PGlite): Promise<DatabaseGlobals> => {
  const database = await one<Omit<DatabaseGlobals, 'settings' | 'roles'>>(
    engine,
    `SELECT pg_catalog.pg_encoding_to_char(encoding) AS encoding, datcollate AS collate,
            datctype AS ctype, pg_catalog.pg_get_userbyid(datdba) AS owner
     FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()`,
  );
  return { ...database, settings: await readSettings(engine), roles: await readRoles(engine) };
};

const readSettings = async (engine: PGlite): Promise<DatabaseGlobals['settings']> => {
  const { rows } = await engine.query<{ setting: string }>(
    `SELECT pg_catalog.unnest(s.setconfig) AS setting
     FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
     WHERE d.datname = pg_catalog.current_database() AND s.setrole = 0`,
  );
  return parseSettings(rows.map(({ setting }) => setting));
};

const readRoles = async (engine: PGlite): Promise<DatabaseRole[]> => {
  const { rows } = await engine.query<DatabaseRole & { verifier: string | null }>(
    `SELECT r.rolname AS name, r.rolcanlogin AS login, r.rolsuper AS superuser,
            r.rolcreatedb AS "createDb", r.rolcreaterole AS "createRole",
            ARRAY(SELECT g.rolname::text FROM pg_catalog.pg_auth_members m
                  JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
                  WHERE m.member = r.oid ORDER BY 1) AS "memberOf",
            r.rolpassword AS verifier
     FROM pg_catalog.pg_authid r WHERE r.rolname !~ '^pg_' ORDER BY r.oid`,
  );
  return rows.map(({ verifier, ...role }) => (verifier === null ? role : { ...role, verifier }));
};

const one = async <T>(engine: PGlite, sql: string): Promise<T> => {
  const [row] = (await engine.query<T>(sql)).rows;
  if (row === undefined) throw new Error(`the database gave no row for: ${sql}`);
  return row;
};
