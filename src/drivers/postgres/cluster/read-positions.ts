import type { Positions } from '../../../domain/replication.js';
import type { PsqlSession } from '../psql-session.js';
import { literal } from '../sql.js';
import { parsePlace } from './log-place.js';

/** The slot that a primary keeps for its standby. */
export const SLOT = 'coldspare';

/** Switches of timelines that are reported, newest last. */
const SWITCHES_KEPT = 20;

/** Seconds after which a receiver that was not refused receives. */
const RECEIVER_PATIENCE = 3;

const iso = (moment: string): string =>
  `to_char(${moment} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

const bytes = (place: string): string => `(${place} - '0/0')::text`;

/** Reads how far the cluster is. Works on a primary and on a replica. */
export const readPositions = async (session: PsqlSession): Promise<Positions> => {
  const { isInRecovery } = await session.row<{ isInRecovery: boolean }>(
    `SELECT pg_is_in_recovery() AS "isInRecovery"`,
  );
  return isInRecovery ? readReplica(session) : readPrimary(session);
};

const SYSTEM = `(SELECT system_identifier::text FROM pg_control_system()) AS system`;

/** The control file of a replica knows that of its last restart point alone, and without a primary nobody receives. */
const REPLICA_TIMELINE = `greatest(
         (SELECT received_tli FROM pg_stat_wal_receiver),
         (SELECT timeline_id FROM pg_control_checkpoint()),
         (SELECT max(('x' || left(name, 8))::bit(32)::int) FROM pg_ls_waldir()
          WHERE name ~ '^[0-9A-F]{24}$'))`;

/**
 * A receiver says "streaming" from its start on, before the primary has answered: also one that is refused, because its
 * log has a gap, and tries again each second. Both its times are that of its start until it has got a message, and a
 * primary where nothing happens may send none for half a minute.
 */
const RECEIVES = `(last_msg_send_time <> last_msg_receipt_time
       OR clock_timestamp() - backend_start > interval '${RECEIVER_PATIENCE} s')`;

const readReplica = async (session: PsqlSession): Promise<Positions> => {
  const found = await session.row<
    Pick<Positions, 'system' | 'timeline' | 'at' | 'received' | 'isIdle' | 'replayedUntil'>
  >(
    `SELECT ${SYSTEM},
       ${REPLICA_TIMELINE} AS timeline,
       ${bytes('pg_last_wal_replay_lsn()')} AS at,
       ${bytes('pg_last_wal_receive_lsn()')} AS received,
       EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'startup'
         AND wait_event IN ('RecoveryWalStream', 'RecoveryRetrieveRetryInterval')) AS "isIdle",
       ${iso('pg_last_xact_replay_timestamp()')} AS "replayedUntil"`,
  );
  const [receiver] = await session.select<NonNullable<Positions['receiver']>>(
    `SELECT status = 'streaming' AND ${RECEIVES} AS streaming, ${bytes('latest_end_lsn')} AS heard,
       ${iso('last_msg_send_time')} AS "heardAt"
     FROM pg_stat_wal_receiver LEFT JOIN pg_stat_activity USING (pid)`,
  );
  return { ...found, isInRecovery: true, receiver: receiver ?? null, slot: null, switches: {} };
};

const readPrimary = async (session: PsqlSession): Promise<Positions> => {
  const found = await session.row<{ system: string; at: string; timeline: number }>(
    // The control file has an old timeline until the first checkpoint after a promotion.
    `SELECT ${SYSTEM}, ${bytes('pg_current_wal_flush_lsn()')} AS at,
       ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int AS timeline`,
  );
  const [slot] = await session.select<NonNullable<Positions['slot']>>(
    `SELECT active, wal_status AS status,
       (pg_current_wal_flush_lsn() - restart_lsn)::float8 AS "retainedBytes",
       (SELECT nullif(setting::float8, -1) * 1024 * 1024 FROM pg_settings
        WHERE name = 'max_slot_wal_keep_size') AS "limitBytes"
     FROM pg_replication_slots WHERE slot_name = ${literal(SLOT)}`,
  );
  return {
    ...found,
    isInRecovery: false,
    isIdle: false,
    received: null,
    replayedUntil: null,
    receiver: null,
    slot: slot ?? null,
    switches: found.timeline === 1 ? {} : await readSwitches(session, found.timeline),
  };
};

/** A history file has a line for each earlier timeline: its number, and where the next one went on. */
const readSwitches = async (
  session: PsqlSession,
  timeline: number,
): Promise<Record<string, string>> => {
  const file = `pg_wal/${timeline.toString(16).toUpperCase().padStart(8, '0')}.history`;
  const { text } = await session.row<{ text: string | null }>(
    `SELECT pg_read_file(${literal(file)}, 0, 100000, true) AS text`,
  );
  const lines = (text ?? '').split('\n').flatMap((line) => {
    const [, earlier, place] = /^(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/i.exec(line.trim()) ?? [];
    return earlier === undefined || place === undefined
      ? []
      : [[earlier, `${parsePlace(place)}`] as const];
  });
  return Object.fromEntries(lines.slice(-SWITCHES_KEPT));
};
