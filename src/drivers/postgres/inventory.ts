import type { Inventory } from '../../domain/manifest.js';
import { type PsqlSession, sqlstateOf } from './psql-session.js';
import { CONSTRAINTS, EXTENSIONS, OWNERS, ofExtension, USERS_SCHEMA } from './schema-queries.js';
import { identifier, literal } from './sql.js';

/** Relations per statement: enough to save round trips, few enough for the planner. */
const BATCH = 100;

/** Begins the snapshot that an inventory is counted in. With row security, a count would silently be too low. */
export const beginSnapshot = async (session: PsqlSession): Promise<void> => {
  await session.run(
    `SELECT set_config(name, '0', false) FROM pg_settings
     WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')`,
  );
  await session.run('SET row_security = off');
  await session.run('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
};

/** A table may be dropped after it was listed and before it is locked. Then the tables are listed again. */
const LOCK_TRIES = 5;
/** undefined_table, invalid_schema_name */
const GONE = ['42P01', '3F000'];

/**
 * As `beginSnapshot`, but locks every table, as readers do, before the snapshot is taken. Otherwise TRUNCATE or a
 * rewrite could empty a table for our snapshot too: we would count no rows where pg_dump saw some.
 */
export const beginLocked = async (session: PsqlSession): Promise<void> => {
  for (let tries = 1; ; tries += 1) {
    const tables = await listRelations(session, 'r');
    await beginSnapshot(session);
    if (tables.length === 0) return;
    const names = tables.map(
      ({ schema, name }) => `ONLY ${identifier(schema)}.${identifier(name)}`,
    );
    try {
      // LOCK takes no snapshot.
      return await session.run(`LOCK TABLE ${names.join(', ')} IN ACCESS SHARE MODE`);
    } catch (error) {
      await session.run('ROLLBACK');
      if (tries >= LOCK_TRIES || !GONE.includes(sqlstateOf(error) ?? '')) throw error;
    }
  }
};

/** What the session's database holds, counted in the session's snapshot. */
export const readInventory = async (session: PsqlSession): Promise<Inventory> => ({
  ...(await countContents(session)),
  sequences: await readSequences(session),
});

/** Everything except the sequences, which a snapshot does not hold still. */
export const countContents = async (
  session: PsqlSession,
): Promise<Omit<Inventory, 'sequences'>> => {
  const tables = await listRelations(session, 'r');
  // ONLY: the rows of a child table are counted there.
  const rows = await askEach<{ rows: number }>(session, tables, (table) => ({
    columns: 'count(*) AS rows',
    from: `ONLY ${table}`,
  }));
  const objects = await session.row<{ count: number }>(
    'SELECT count(*) FROM pg_largeobject_metadata',
  );
  return {
    rows: Object.fromEntries([...rows].map(([name, row]) => [name, row.rows])),
    largeObjects: objects.count,
    constraints: await readFacts(session, CONSTRAINTS),
    extensions: await readFacts(session, EXTENSIONS),
    owners: await readFacts(session, OWNERS),
  };
};

const readFacts = async (session: PsqlSession, query: string): Promise<Record<string, string>> => {
  const found = await session.select<{ name: string; value: string }>(query);
  return Object.fromEntries(found.map(({ name, value }) => [name, value]));
};

/** The current values: sequences are not part of a snapshot. */
export const readSequences = async (session: PsqlSession): Promise<Inventory['sequences']> =>
  Object.fromEntries(
    await askEach<{ last: string; called: boolean }>(
      session,
      await listRelations(session, 'S'),
      (sequence) => ({
        columns: 'last_value::text AS last, is_called AS called',
        from: sequence,
      }),
    ),
  );

interface Relation {
  schema: string;
  name: string;
}

/** Without those of extensions: the extension's version decides what they hold, not the dump. */
const listRelations = (session: PsqlSession, kind: 'r' | 'S'): Promise<Relation[]> =>
  session.select<Relation>(
    `SELECT n.nspname AS schema, c.relname AS name
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = '${kind}' AND ${USERS_SCHEMA} AND NOT ${ofExtension('pg_class', 'c.oid')}
     ORDER BY 1, 2`,
  );

const askEach = async <Row extends object>(
  session: PsqlSession,
  from: readonly Relation[],
  ask: (quoted: string) => { columns: string; from: string },
): Promise<Map<string, Row>> => {
  const answers = new Map<string, Row>();
  for (let at = 0; at < from.length; at += BATCH) {
    const queries = from.slice(at, at + BATCH).map(({ schema, name }) => {
      const query = ask(`${identifier(schema)}.${identifier(name)}`);
      return `SELECT ${literal(`${schema}.${name}`)} AS relation, ${query.columns} FROM ${query.from}`;
    });
    const rows = await session.select<{ relation: string } & Row>(queries.join('\nUNION ALL '));
    for (const { relation, ...row } of rows) answers.set(relation, row as unknown as Row);
  }
  return answers;
};
