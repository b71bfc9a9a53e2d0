import type { PGlite } from '@electric-sql/pglite';
import { identifier, literal } from '../../../src/drivers/postgres/sql.js';
import { sessionOf } from './sql-session.js';

/** `COMMENT ON DATABASE` of the open database: the marker is part of it. */
export const readComment = async (engine: PGlite): Promise<string | undefined> => {
  const { comment } = await sessionOf(engine).row<{ comment: string | null }>(
    `SELECT pg_catalog.shobj_description(oid, 'pg_database') AS comment
     FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()`,
  );
  return comment ?? undefined;
};

/** In a transaction that may write, even while the database is frozen. */
export const writeComment = (engine: PGlite, database: string, comment: string): Promise<void> =>
  engine.transaction(async (transaction) => {
    await transaction.exec('SET TRANSACTION READ WRITE');
    await transaction.exec(`COMMENT ON DATABASE ${identifier(database)} IS ${literal(comment)}`);
  });
