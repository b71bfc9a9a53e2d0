import { createHash } from 'node:crypto';
import type { Inventory } from '../../domain/manifest.js';
import type { PsqlSession } from './psql-session.js';

/**
 * What the session's snapshot sees, in short. Two are equal only if both see the same:
 * - The same transactions are visible, or the snapshots would name others. That goes for every table, unlogged ones as
 *   well, large objects, and what the catalog knows.
 * - No server was started in between, cleanly or after a crash, which may forget transactions that did not wait for
 *   their commit, and would empty unlogged tables: each start writes to the write-ahead log. Its position is read after
 *   the snapshot; what was committed between the two is not in the snapshot, and will be in the next one.
 * - It is the same cluster.
 * - The sequences stand where they stood, which no snapshot tells.
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
