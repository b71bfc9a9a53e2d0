import type { Values } from '../../domain/manifest.js';
import { type PsqlSession, sqlstateOf } from './psql-session.js';
import { MEANINGS, ofExtension, USERS_SCHEMA } from './schema-queries.js';
import { identifier, literal } from './sql.js';

/** With these, two servers write the same value as the same text. */
const FIXED = {
  bytea_output: 'hex',
  DateStyle: 'ISO, YMD',
  extra_float_digits: '3',
  IntervalStyle: 'postgres',
  lc_monetary: 'C',
  search_path: 'pg_catalog',
  TimeZone: 'UTC',
};

/**
 * A condition on `pg_attribute a` with its `pg_type t`: a restore may make another value of it. It is computed anew, or
 * its text is read by settings, by a domain or as several parts. All other types are copied as they are.
 */
const MAY_CHANGE = `(a.attgenerated = 's' OR a.attgenerated = '' AND (
  t.typtype IN ('c', 'd', 'm', 'r') OR t.oid IN ('interval'::regtype, 'money'::regtype, 'xml'::regtype)
  OR t.typcategory = 'A' AND (t.typelem < 16384 OR EXISTS (
    SELECT FROM pg_type e WHERE e.oid = t.typelem AND e.typtype IN ('c', 'd', 'm', 'r')))))`;

/** More rows than this are not counted on. */
const MOST_UNCARRIED = 1_000_000;

/**
 * What a count of rows does not show, read in the session's snapshot. It calls no code of the database: only a type's own
 * output, never a cast. Undefined when it cannot be read; the snapshot remains.
 */
export const readValues = (session: PsqlSession): Promise<Values | undefined> =>
  ifReadable(session, async () => {
    const settings = Object.entries(FIXED).map(
      ([name, value]) => `set_config(${literal(name)}, ${literal(value)}, true)`,
    );
    await session.run(`SELECT ${settings.join(', ')}`);
    const { server } = await session.row<{ server: string }>(
      `SELECT (current_setting('server_version_num')::int / 10000)::text AS server`,
    );
    const meanings = await session.select<{ name: string; value: string }>(MEANINGS);
    return {
      server,
      digests: await readDigests(session),
      meanings: Object.fromEntries(meanings.map(({ name, value }) => [name, value])),
      uncarried: await countUncarried(session),
    };
  });

/** Undefined when the database refuses to be read; the snapshot remains. */
const ifReadable = async <T>(
  session: PsqlSession,
  read: () => Promise<T>,
): Promise<T | undefined> => {
  await session.run('SAVEPOINT before_reading');
  try {
    return await read();
  } catch (error) {
    if (sqlstateOf(error) === undefined) throw error;
    await session.run('ROLLBACK TO before_reading');
    return undefined;
  }
};

const readDigests = async (session: PsqlSession): Promise<Record<string, string>> => {
  const tables = await session.select<{ schema: string; name: string; columns: string[] }>(
    `SELECT n.nspname AS schema, c.relname AS name, json_agg(a.attname ORDER BY a.attnum) AS columns
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
     WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND ${MAY_CHANGE}
       AND ${USERS_SCHEMA} AND NOT ${ofExtension('pg_class', 'c.oid')}
     GROUP BY 1, 2 ORDER BY 1, 2`,
  );
  const digests: Record<string, string> = {};
  for (const { schema, name, columns } of tables) {
    // The order of rows is not kept by a restore, so their digests are added up.
    const row = columns.map((column) => `format('%L', ${identifier(column)})`).join(` || ',' || `);
    const { digest } = await session.row<{ digest: string }>(
      `SELECT coalesce(sum(hashtextextended((${row}) COLLATE "C", 0)), 0)::text AS digest
       FROM ONLY ${identifier(schema)}.${identifier(name)}`,
    );
    digests[`${schema}.${name}`] = digest;
  }
  return digests;
};

/** Rows of tables that belong to an extension, which does not ask for them to be dumped. */
const countUncarried = async (session: PsqlSession): Promise<Record<string, number>> => {
  const tables = await session.select<{ schema: string; name: string }>(
    `SELECT n.nspname AS schema, c.relname AS name
     FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid
       JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
       JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE d.deptype = 'e' AND c.relkind = 'r' AND c.oid <> ALL (coalesce(e.extconfig, '{}'))
     ORDER BY 1, 2`,
  );
  const found: Record<string, number> = {};
  for (const { schema, name } of tables) {
    const counted = await ifReadable(session, () =>
      session.row<{ rows: number }>(
        `SELECT count(*) AS rows FROM (
           SELECT FROM ONLY ${identifier(schema)}.${identifier(name)} LIMIT ${MOST_UNCARRIED}) found`,
      ),
    );
    // One that cannot be read takes nothing away from the others.
    if (counted !== undefined && counted.rows > 0) found[`${schema}.${name}`] = counted.rows;
  }
  return found;
};
