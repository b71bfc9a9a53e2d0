import { ColdspareError } from '../../domain/errors.js';
import { asLoader, createLoader, mayLogIn, removeLoader } from './loader.js';
import { withSession } from './psql-session.js';
import type { Server } from './server.js';
import { literal } from './sql.js';

/** A DO block returns nothing, so the answer leaves it through this setting, which ends with the transaction. */
const SETTING = 'coldspare.answer';

/** Milliseconds. The server's own time-out has to come first, because it says what took so long. */
const GRACE = 10_000;

/**
 * The one value that `sql` gives in `database`. The server gets `sql` as a string and runs it from there. So nothing
 * in it is a command to psql or can end the transaction, which is read-only.
 * @throws ColdspareError `database-failed` when the server refuses it, or the result is not one row of one column
 */
export const answerOf = async (
  server: Server,
  maintenance: string,
  database: string,
  sql: string,
  options: { timeout: number; signal: AbortSignal },
): Promise<unknown> => {
  // `sql` may use views and functions of the app's roles, which must not run with the rights of a superuser.
  const timeout = GRACE;
  const loader = await withSession(server, maintenance, { timeout }, (session) =>
    createLoader(session, 'drill'),
  );
  if (loader === undefined) return ask(server, database, sql, options);
  try {
    const may = await mayLogIn(server, database, loader, { timeout });
    return await ask(may ? asLoader(server, loader) : server, database, sql, options);
  } finally {
    await removeLoader(server, database, loader, { timeout });
  }
};

const ask = (
  server: Server,
  database: string,
  sql: string,
  { timeout, signal }: { timeout: number; signal: AbortSignal },
): Promise<unknown> =>
  withSession(server, database, { timeout: timeout + GRACE, signal }, async (session) => {
    await session.run(`SET statement_timeout = ${timeout}`);
    // The query names tables as the app does.
    await session.run('RESET search_path');
    await session.run('BEGIN READ ONLY');
    await session.run(
      `DO ${literal(`DECLARE answer record;
      BEGIN
        EXECUTE ${literal(sql)} INTO STRICT answer;
        PERFORM pg_catalog.set_config('${SETTING}', (SELECT pg_catalog.json_agg(value)
          FROM pg_catalog.json_each(pg_catalog.row_to_json(answer)))::text, true);
      END`)}`,
    );
    const { values } = await session.row<{ values: unknown[] }>(
      `SELECT pg_catalog.current_setting('${SETTING}')::json AS values`,
    );
    return onlyValue([values]);
  });

/** The value of a result of one row and one column. @throws ColdspareError `database-failed` for any other result */
export const onlyValue = (rows: readonly unknown[][]): unknown => {
  const [row = []] = rows;
  if (rows.length === 1 && row.length === 1) return row[0];
  throw new ColdspareError(
    'database-failed',
    `the query gave ${rows.length} rows of ${row.length} columns`,
    'let it give one row of one column, such as SELECT count(*) > 0 FROM orders',
    { value: [rows.length, row.length] },
  );
};
