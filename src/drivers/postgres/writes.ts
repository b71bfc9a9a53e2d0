import type { PsqlSession } from './psql-session.js';

/** Includes pg_class, because changes of the schema and TRUNCATE count no rows of a table. */
const WRITES = `(SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::text
  FROM pg_stat_all_tables
  WHERE schemaname !~ '^pg_' AND schemaname <> 'information_schema'
     OR relid IN ('pg_class'::regclass, 'pg_largeobject'::regclass))`;

/** Rows written to the session's database so far. */
export const countWrites = async (session: PsqlSession): Promise<bigint> => {
  // Before 15, statistics reach a reader up to half a second late.
  await session.run(`SELECT pg_sleep(1) WHERE current_setting('server_version_num')::int < 150000`);
  const { writes } = await session.row<{ writes: string }>(`SELECT ${WRITES} AS writes`);
  return BigInt(writes);
};

/**
 * The count of rows written, and what tells that it was counted from the same beginning: the database itself, and when
 * its statistics and those of the server were reset. A crash resets the latter.
 */
export const readUsage = async (session: PsqlSession): Promise<string> => {
  const { usage } = await session.row<{ usage: string }>(
    `SELECT concat_ws(' ', ${WRITES}, datid, stats_reset, (SELECT stats_reset FROM pg_stat_bgwriter)) AS usage
     FROM pg_stat_database WHERE datname = current_database()`,
  );
  return usage;
};
