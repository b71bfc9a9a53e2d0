import { setTimeout as sleep } from 'node:timers/promises';
import type { Inventory } from '../../domain/manifest.js';
import { LOCK_NOT_AVAILABLE } from './make-way.js';
import { type PsqlSession, sqlstateOf } from './psql-session.js';
import {
  CONSTRAINTS,
  EXTENSIONS,
  OWNERS,
  ofExtension,
  PARTITIONS,
  SECONDARY,
  USERS_SCHEMA,
} from './schema-queries.js';
import { identifier, literal } from './sql.js';

/** Relations per statement: enough to save round trips, few enough for the planner. */
const BATCH = 100;
/** Milliseconds. */
const LOCK_TIMEOUT = 1_000;

/**
 * Begins the snapshot that an inventory is counted in. With row security, a count would silently be too low. Whoever
 * waits for one of its locks does not wait for long because the session waits for another one.
 */
export const beginSnapshot = async (session: PsqlSession): Promise<void> => {
  await session.run('SET idle_in_transaction_session_timeout = 0');
  // A table that became a view since it was listed would run code of its owner with our rights. Since 15.8 and the like.
  await session.run(
    `SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings
     WHERE name = 'restrict_nonsystem_relation_kind'`,
  );
  await session.run('SET row_security = off');
  await session.run(`SET lock_timeout = ${LOCK_TIMEOUT}`);
  await session.run('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
};

/** A table may be dropped after it was listed and before it is locked. Then the tables are listed again. */
const LOCK_TRIES = 5;
/** undefined_table, invalid_schema_name */
const GONE = ['42P01', '3F000'];
/** Milliseconds. */
const LOCK_WAIT = 5_000;
const LOCK_PAUSE = 250;

/**
 * As `beginSnapshot`, but locks every table, as readers do, before the snapshot is taken. Otherwise TRUNCATE or a
 * rewrite could empty a table for our snapshot too: we would count no rows where pg_dump saw some. Never waits with a
 * lock in its hands: nobody queues up behind it, and it is part of no deadlock, whose victim could be a migration.
 * @throws ColdspareError `database-failed` of SQLSTATE 55P03 when somebody keeps a table locked
 */
export const beginLocked = async (session: PsqlSession): Promise<void> => {
  const deadline = performance.now() + LOCK_WAIT;
  for (let tries = 1; ; ) {
    // Partitioned tables have no rows, but pg_dump locks them too.
    const tables = await listRelations(session, 'r', 'p');
    await beginSnapshot(session);
    if (tables.length === 0) return;
    const names = tables.map(
      ({ schema, name }) => `ONLY ${identifier(schema)}.${identifier(name)}`,
    );
    try {
      // LOCK takes no snapshot.
      return await session.run(`LOCK TABLE ${names.join(', ')} IN ACCESS SHARE MODE NOWAIT`);
    } catch (error) {
      await session.run('ROLLBACK');
      const sqlstate = sqlstateOf(error) ?? '';
      if (sqlstate === LOCK_NOT_AVAILABLE) {
        if (performance.now() >= deadline) throw error;
        await sleep(LOCK_PAUSE);
      } else {
        if (tries >= LOCK_TRIES || !GONE.includes(sqlstate)) throw error;
        tries += 1;
      }
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
    partitionOf: await readFacts(session, PARTITIONS),
    constraints: await readFacts(session, CONSTRAINTS),
    extensions: await readFacts(session, EXTENSIONS),
    owners: await readFacts(session, OWNERS),
    secondary: await readFacts(session, SECONDARY),
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
const listRelations = (session: PsqlSession, ...kinds: ('r' | 'p' | 'S')[]): Promise<Relation[]> =>
  session.select<Relation>(
    `SELECT n.nspname AS schema, c.relname AS name
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN (${kinds.map(literal).join(', ')}) AND ${USERS_SCHEMA} AND NOT ${ofExtension('pg_class', 'c.oid')}
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
