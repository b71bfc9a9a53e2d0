import { formatBytes, formatDuration } from '../format.js';
import type { Condition, Facts, Known } from './condition.js';

/** A replica is late beyond these: what a takeover would lose is no second any more. */
const LATE_BYTES = 256 * 1024 ** 2;
const LATE_MS = 60_000;
/** Milliseconds that what may pass by itself has to last before it is announced. */
const PATIENCE = 60_000;

const ageOf = ({ replication, now }: Pick<Facts, 'replication' | 'now'>): number =>
  replication?.currentAt == null ? 0 : now - Date.parse(replication.currentAt);

const slotOf = ({ replication }: Pick<Known, 'replication'>) => replication?.positions?.slot;

/** Streaming replication; none of them without REPLICATION=stream. */
export const REPLICATION = {
  'replication-broken': {
    severity: 'warning',
    when: ({ replication }) => replication && replication.broken !== null,
    says: 'has a standby that streaming replication cannot keep, so that backups keep it meanwhile',
    because: ({ replication }) =>
      replication?.broken && `${replication.broken.check}: ${replication.broken.message}`,
    remedy: {
      page: 'the last seed in the history of the standby says which check has failed, and what to do. It is tried again by itself',
      terminal: ({ replication }) =>
        replication?.broken?.remedy ?? 'coldspare history on the standby shows the last seed',
      http: ({ replication }) =>
        replication?.broken?.remedy ?? 'GET /operations on the standby shows the last seed',
    },
    isProblem: true,
    alarm: {
      holds: () => PATIENCE,
      variant: ({ replication }) => replication?.broken?.check ?? '',
      over: 'the standby is kept by streaming replication',
    },
  },
  'replication-lagging': {
    severity: 'warning',
    mode: 'standby',
    when: (facts) => {
      if (facts.replication?.state !== 'streaming') return false;
      return (facts.replication.behindBytes ?? 0) > LATE_BYTES || ageOf(facts) > LATE_MS;
    },
    says: 'has a replica that is late, so a takeover would lose more than a second',
    because: ({ replication, now }) =>
      replication &&
      `${formatBytes(replication.behindBytes ?? 0)} behind, current to ${replication.currentAt}${now === undefined ? '' : `, ${formatDuration(ageOf({ replication, now }))} ago`}`,
    remedy:
      'look at the network between the servers, the disk of the standby, and long queries in its database (pg_stat_activity): they hold up the replay',
    isProblem: true,
    alarm: { holds: () => PATIENCE, over: 'the replica is up to date' },
  },
  'slot-filling': {
    severity: 'warning',
    mode: 'primary',
    when: (facts) => {
      const slot = slotOf(facts);
      if (slot == null || slot.limitBytes === null) return false;
      return slot.status === 'lost' || (slot.retainedBytes ?? 0) > slot.limitBytes / 2;
    },
    says: 'keeps more than half of the log that it may keep for a standby that is away',
    because: (known) => {
      const slot = slotOf(known);
      return (
        slot &&
        `${formatBytes(slot.retainedBytes ?? 0)} of ${formatBytes(slot.limitBytes ?? 0)} (max_slot_wal_keep_size)`
      );
    },
    remedy:
      'bring the standby back before the limit is reached. Past it, the log is removed, and the standby is copied anew by itself; until then only backups protect',
    isProblem: true,
    alarm: { over: 'the standby has fetched its log' },
  },
} satisfies Record<string, Condition>;
