import type { PGlite } from '@electric-sql/pglite';
import type { PsqlSession } from '../../../src/drivers/postgres/psql-session.js';

/** PGlite in the place of psql, so that inventories, roles and settings are read as they are on a PostgreSQL. */
export const sessionOf = (engine: PGlite): PsqlSession => {
  const select = async <Row>(query: string): Promise<Row[]> => {
    const { rows } = await engine.query<{ found: Row[] }>(
      `SELECT coalesce(pg_catalog.json_agg(q), '[]') AS found FROM (${query}) q`,
    );
    return rows[0]?.found ?? [];
  };
  const run = async (statement: string): Promise<void> => {
    await engine.exec(statement);
  };
  return {
    select,
    row: async <Row>(query: string) => {
      const [row] = await select<Row>(query);
      if (row === undefined) throw new Error(`the database gave no row for: ${query}`);
      return row;
    },
    run,
    limit: (timeout) => run(`SET statement_timeout = ${timeout}`),
    close: () => engine.close(),
  };
};
