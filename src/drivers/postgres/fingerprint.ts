import { createHash } from 'node:crypto';
import type { Inventory, Position } from '../../domain/manifest.js';
import type { PsqlSession } from './psql-session.js';
import { literal } from './sql.js';

/**
 * A digest of what the session's snapshot sees. Two are equal only if both snapshots see the same:
 * - The same transactions are visible. That covers every table, unlogged ones too, large objects and the catalog.
 * - The server was not started in between. A start after a crash may lose transactions that did not wait for their
 *   commit, and empties unlogged tables. Each start writes to the write-ahead log, so its position changes. It is read
 *   after the snapshot; whatever is committed between the two is not in this snapshot, but in the next one.
 * - The cluster is the same.
 * - The sequences have the same values, which are not part of a snapshot.
 */
export const readFingerprint = async (
  session: PsqlSession,
  sequences: Inventory['sequences'],
): Promise<string> => {
  const { system, snapshot } = await session.row<{ system: string; snapshot: string }>(
    `SELECT (SELECT system_identifier FROM pg_control_system())::text AS system,
            pg_current_snapshot()::text AS snapshot`,
  );
  const { position } = await session.row<{ position: string }>(
    'SELECT pg_current_wal_insert_lsn()::text AS position',
  );
  return createHash('sha256')
    .update(JSON.stringify([system, snapshot, position, Object.entries(sequences).sort()]))
    .digest('hex');
};

/** Where the database stands: only what has reached the disk, so that a power cut does not take it back. */
export const readPosition = (session: PsqlSession, database: string): Promise<Position> =>
  session.row<Position>(
    `SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || oid AS database,
            (pg_current_wal_flush_lsn() - '0/0')::text AS log
     FROM pg_database WHERE datname = ${literal(database)}`,
  );
