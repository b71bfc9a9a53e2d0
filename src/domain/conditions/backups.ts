import { formatDuration } from '../format.js';
import type { OperationRecord } from '../operation.js';
import type { Condition } from './condition.js';

const NEW_BACKUP = {
  page: 'press "Back up now" on the page of the primary, then look at the disks of both servers',
  terminal:
    'coldspare backup on the primary takes a new one; then look at the disks of both servers',
  http: 'POST /backups on the primary takes a new one; then look at the disks of both nodes',
};

/** Taking, sending and restoring backups. */
export const BACKUPS = {
  'backup-failed': {
    severity: 'critical',
    mode: 'primary',
    when: ({ latest, confirmedAt, epoch }) => {
      const backup = latest?.backup;
      if (!backup?.error || isDumped(backup) || backup.epoch !== epoch) return false;
      // Nothing was written since, and the schedule has found the newest one to hold everything.
      return confirmedAt === null || confirmedAt <= (backup.endedAt ?? '');
    },
    says: 'could not take a backup',
    because: ({ latest }) =>
      latest?.backup && `${latest.backup.error?.message} (${latest.backup.id})`,
    remedy: ({ latest, node }) => `${latest?.backup?.error?.remedy}; then POST /backups on ${node}`,
    alarm: { over: 'backups are taken again' },
  },
  'push-failing': {
    severity: 'warning',
    mode: 'primary',
    when: ({ push }) => push.failingSince !== null,
    says: 'takes backups, but they do not reach the other server',
    because: ({ push }) => push.error,
    remedy: {
      page: 'see whether the other server answers and has room on its disk. It is tried again by itself; "Back up now" tries at once',
      terminal: 'it is tried again by itself; coldspare backup on the primary tries now',
      http: 'it is sent again by itself, and GET /health shows when it worked; POST /backups on the primary tries now',
    },
    isProblem: true,
    isCuredByBackup: true,
    alarm: { event: 'push-failed', over: 'backups reach the other node again' },
  },
  'backup-stale': {
    severity: 'critical',
    when: ({ backupAge, policy }) => backupAge > policy.backupMaxAgeSeconds * 1_000,
    says: 'has no recent backup, so a takeover could lose data',
    because: ({ latestBackup, policy }) => {
      const newest =
        latestBackup === null
          ? 'there is none'
          : `the newest, ${latestBackup.id}, is ${formatDuration(latestBackup.ageSeconds * 1_000)} old`;
      return `${newest}, and BACKUP_MAX_AGE is ${formatDuration(policy.backupMaxAgeSeconds * 1_000)}`;
    },
    remedy: {
      page: 'press "Back up now" on the page of the primary; the history there shows what became of the last ones',
      terminal:
        'coldspare backup on the primary says why none comes; then check BACKUP_CRON, and coldspare history there',
      http: 'POST /backups on the primary, and GET /operations there shows what became of the last ones',
    },
    isProblem: true,
    isCuredByBackup: true,
    alarm: { over: 'there is a new backup' },
  },
  'backup-unusable': {
    severity: 'critical',
    mode: 'standby',
    when: ({ unusable }) => unusable !== null,
    says: 'could not restore the newest backup',
    because: ({ unusable, latestBackup, prepared }) =>
      unusable
        ? `${unusable.backup}: ${unusable.error}; ${prepared === null ? 'no backup is restored ahead of time' : `a takeover would go by ${prepared}`}`
        : latestBackup?.proof?.error,
    remedy: NEW_BACKUP,
    isProblem: true,
    alarm: { over: 'a newer backup could be restored' },
  },
  'peer-cannot-restore': {
    // The standby announces it itself.
    severity: 'critical',
    mode: 'primary',
    when: ({ peerProblems }) => peerProblems.includes('backup-unusable'),
    says: 'hears that the other server could not restore the newest backup',
    remedy: NEW_BACKUP,
    isProblem: true,
  },
  'prepare-failed': {
    severity: 'warning',
    mode: 'standby',
    when: ({ latest, since }) => {
      const prepare = latest?.prepare;
      if (!prepare?.error || Date.parse(prepare.startedAt) < Date.parse(since)) return false;
      // These have rows of their own, and say nothing of what was wrong before.
      return ['backup-unusable', 'no-room'].includes(prepare.error.code) ? undefined : true;
    },
    says: 'could not get ready for a takeover ahead of time',
    because: ({ latest }) => latest?.prepare?.error?.message,
    remedy: ({ latest }) => `${latest?.prepare?.error?.remedy}; it is tried again by itself`,
    alarm: { over: 'everything is ready for a takeover ahead of time' },
  },
  'drill-failed': {
    severity: 'critical',
    when: ({ lastDrill }) => lastDrill?.passed === false,
    says: 'failed its last drill',
    because: ({ lastDrill }) => lastDrill && `${lastDrill.backup}: ${lastDrill.error}`,
    remedy: {
      page: 'press "Back up now" on the page of the primary, then "Drill" on the page of the one that failed: one that passes ends the alarm',
      terminal:
        'coldspare backup on the primary, then coldspare drill on the one that failed: one that passes ends the alarm',
      http: ({ node }) =>
        `POST /backups on the primary, then POST /drill on ${node}: one that passes ends the alarm`,
    },
    isProblem: true,
    alarm: { over: 'a drill has passed' },
  },
  'no-room': {
    severity: 'critical',
    mode: 'standby',
    when: ({ noRoom }) => (noRoom === undefined ? undefined : noRoom !== null),
    says: 'has no room to restore the newest backup ahead of time or in a drill',
    because: ({ noRoom }) => noRoom?.message,
    remedy: {
      page: 'free space where the databases of this server lie. A promote restores without asking for room',
      terminal:
        'free space where the databases of this server lie; coldspare drill looks again. A promote restores without asking for room',
      http: ({ noRoom }) => noRoom?.remedy ?? 'free space where the databases of this node lie',
    },
    isProblem: true,
    alarm: { over: 'there is room for another copy of the database again' },
  },
} satisfies Record<string, Condition>;

/** Then it is the push that failed. */
const isDumped = ({ steps }: OperationRecord): boolean =>
  steps.some(({ name, state }) => name === 'dump' && (state === 'done' || state === 'undone'));
