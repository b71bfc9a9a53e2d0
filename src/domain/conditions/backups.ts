import { formatBytes, formatDuration } from '../format.js';
import type { OperationRecord } from '../operation.js';
import type { Shrunk } from '../shrinkage.js';
import type { Condition, Facts, Known } from './condition.js';

/** A disk is low below this share of it, unless that is more than enough. */
const LOW_SHARE = 0.1;
const LOW_BYTES = 5 * 1024 ** 3;

const NEW_BACKUP = {
  page: 'press "Back up now" on the page of the primary, then look at the disks of both servers',
  terminal:
    'coldspare backup on the primary takes a new one; then look at the disks of both servers',
  http: 'POST /backups on the primary takes a new one; then look at the disks of both nodes',
};

const takeBackupAgain = ({ latest, node }: Known): string =>
  `${latest?.backup?.error?.remedy ?? 'see why the last backup failed'}; then POST /backups on ${node}`;

const tryPrepareAgain = ({ latest }: Known): string =>
  `${latest?.prepare?.error?.remedy ?? 'the last prepare in the history says what is missing'}; it is tried again by itself`;

const CHANGE_DATABASE = {
  page: 'change that object on the primary as the manual says under "Databases that cannot be restored", then press "Back up now" there',
  terminal:
    'change that object on the primary as the manual says under "Databases that cannot be restored", then coldspare backup there',
  http: 'change that object on the primary as the manual says under "Databases that cannot be restored", then POST /backups there',
};
/** Taking, sending and restoring backups. */
export const BACKUPS = {
  'backup-failed': {
    severity: 'critical',
    mode: 'primary',
    when: (facts) => failedDump(facts) !== undefined,
    says: 'could not take a backup',
    because: ({ latest }) =>
      latest?.backup && `${latest.backup.error?.message} (${latest.backup.id})`,
    remedy: {
      page: 'the last backup in the history of the primary says why. Put that right, then press "Back up now" there',
      terminal: takeBackupAgain,
      http: takeBackupAgain,
    },
    isProblem: true,
    isCuredByBackup: true,
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
  'backup-from-the-future': {
    severity: 'warning',
    when: ({ backupAheadBy }) => backupAheadBy > 0,
    says: 'has a newest backup that is dated in the future, so nobody knows how old it is',
    because: ({ latestBackup, backupAheadBy }) =>
      latestBackup && backupAheadBy !== undefined
        ? `${latestBackup.id} by ${formatDuration(backupAheadBy)}`
        : latestBackup?.id,
    remedy: {
      page: 'look at the clocks of both servers: one is wrong, or was wrong when the backup was taken. Once they are right, press "Back up now" on the page of the primary',
      terminal:
        'timedatectl on both servers shows whose clock is wrong, or was wrong when the backup was taken. Once they are right: coldspare backup on the primary',
      http: 'set the clocks of both nodes right, then POST /backups on the primary',
    },
    isProblem: true,
    isCuredByBackup: true,
    alarm: { over: 'the newest backup has a date of the past again' },
  },
  'rescue-too-short': {
    severity: 'warning',
    mode: 'primary',
    when: ({ dumpSilence, policy }) => {
      const limit = policy.rescueTimeoutSeconds * 1_000;
      return dumpSilence === undefined ? undefined : limit > 0 && dumpSilence > limit;
    },
    says: 'is silent for so long during a dump that a takeover would not wait for its last one, and would lose data',
    because: ({ dumpSilence, policy }) =>
      dumpSilence === undefined
        ? null
        : `no more of the last dump came for ${formatDuration(dumpSilence)}, and RESCUE_TIMEOUT is ${formatDuration(policy.rescueTimeoutSeconds * 1_000)}`,
    remedy: {
      page: 'raise RESCUE_TIMEOUT on both servers well above that, and restart their agents. Or look at what keeps the dump: locks, the disk, the network. "Back up now" on the page of the primary measures it again',
      terminal:
        'raise RESCUE_TIMEOUT on both servers well above that, and restart their agents. Or look at what keeps the dump: locks, the disk, the network. coldspare backup measures it again',
      http: 'raise RESCUE_TIMEOUT on both nodes well above that, or look at what keeps the dump; POST /backups on the primary measures it again',
    },
    isProblem: true,
    isCuredByBackup: true,
    alarm: { over: 'a takeover would wait for the last dump' },
  },
  'backup-unusable': {
    severity: 'critical',
    mode: 'standby',
    when: ({ unusable }) => unusable !== null && unusable.code !== 'not-restorable',
    says: 'could not restore the newest backup',
    because: ({ unusable, latestBackup, prepared }) =>
      unusable
        ? `${unusable.backup}: ${unusable.error}; ${prepared === null ? 'no backup is restored ahead of time' : `a takeover would go by ${prepared}`}`
        : latestBackup?.proof?.error,
    remedy: NEW_BACKUP,
    isProblem: true,
    preventsHandover: true,
    alarm: { over: 'a newer backup could be restored' },
  },
  'backup-shrank': {
    severity: 'critical',
    when: ({ shrunk }) => shrunk.length > 0,
    says: 'has a backup with much less in it than the one before',
    because: ({ shrunk }) => shrunk.map(({ after, text }) => `${after}: ${text}`).join('. '),
    remedy: {
      page: 'compare the rows with what you expect. The backup before is kept, whatever comes after it. Then press "Release" on the pages of both servers',
      terminal: ({ shrunk }) =>
        `the rows are in ${idsOf(shrunk)}, kept until you have looked. If they are missed: save its dump on both servers, then look for what removed them. If somebody meant it: ${shrunk.map(({ before }) => `coldspare release ${before}`).join(', then ')}`,
      http: ({ shrunk }) =>
        `the rows are in ${idsOf(shrunk)}, which is kept until you have looked: GET /backups/{id}/content is its dump. If somebody meant it, on both nodes: ${shrunk.map(({ before }) => `POST /backups/${before}/release`).join(', then ')}`,
    },
    // No problem of `GET /health`: an app may empty its queue every day.
    alarm: {
      variant: ({ shrunk }) => shrunk.at(-1)?.after ?? '',
      over: 'somebody has looked at the backup that shrank',
    },
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
  'not-restorable': {
    severity: 'critical',
    mode: 'standby',
    when: ({ unusable }) => unusable?.code === 'not-restorable',
    says: 'cannot restore the database of the primary as it is there',
    because: ({ unusable, latestBackup, prepared }) =>
      unusable
        ? `${unusable.error}; ${prepared === null ? 'no backup is restored ahead of time' : `a takeover would go by ${prepared}`}`
        : latestBackup?.proof?.error,
    remedy: CHANGE_DATABASE,
    isProblem: true,
    preventsHandover: true,
    alarm: { over: 'a newer backup could be restored' },
  },
  'peer-not-restorable': {
    // The standby announces it itself.
    severity: 'critical',
    mode: 'primary',
    when: ({ peerProblems }) => peerProblems.includes('not-restorable'),
    says: 'has a database that cannot be restored as it is',
    because: ({ peerProof }) => peerProof,
    remedy: CHANGE_DATABASE,
    isProblem: true,
  },
  'prepare-failed': {
    severity: 'warning',
    mode: 'standby',
    when: ({ latest, since }) => {
      const prepare = latest?.prepare;
      if (!prepare?.error || Date.parse(prepare.startedAt) < Date.parse(since)) return false;
      // These have rows of their own, and say nothing of what was wrong before.
      return ['backup-unusable', 'not-restorable', 'no-room', 'app-failed'].includes(
        prepare.error.code,
      )
        ? undefined
        : true;
    },
    says: 'could not get ready for a takeover ahead of time',
    because: ({ latest }) => latest?.prepare?.error?.message,
    remedy: {
      page: 'the last prepare in the history of the standby says what is missing there. It is tried again by itself',
      terminal: tryPrepareAgain,
      http: tryPrepareAgain,
    },
    isProblem: true,
    preventsHandover: true,
    alarm: { over: 'everything is ready for a takeover ahead of time' },
  },
  'rows-in-no-backup': {
    severity: 'warning',
    mode: 'primary',
    when: ({ undumped }) => undumped && Object.keys(undumped).length > 0,
    says: 'has rows that no backup contains, because their tables belong to an extension',
    because: ({ undumped = {} }) =>
      Object.entries(undumped)
        .map(([table, rows]) => `${table}: ${rows}`)
        .join(', '),
    remedy:
      'to have them in the backups: ALTER EXTENSION … DROP TABLE … in psql on the primary, if the extension allows it. Or copy them to the other server yourself',
    alarm: { over: 'every row is in the backups' },
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
    preventsHandover: true,
    alarm: { over: 'there is room for another copy of the database again' },
  },
  'disk-low': {
    severity: 'warning',
    when: ({ diskSpace }) =>
      diskSpace && diskSpace.free < Math.min(diskSpace.capacity * LOW_SHARE, LOW_BYTES),
    says: 'has little space left for its state and its backups',
    because: ({ diskSpace }) =>
      diskSpace && `${formatBytes(diskSpace.free)} of ${formatBytes(diskSpace.capacity)} are free`,
    remedy:
      'free space on the file system of STATE_DIR and BACKUP_DIR, or lower BACKUP_KEEP. A full one ends the backups, and at last everything else on it',
    isProblem: true,
    alarm: { over: 'there is enough free space again' },
  },
} satisfies Record<string, Condition>;

const idsOf = (shrunk: readonly Shrunk[]): string =>
  shrunk.map(({ before }) => before).join(' and ');

/** The last backup, when its dump failed; undefined when dumps work. */
export const failedDump = ({
  latest,
  confirmedAt,
  epoch,
}: Pick<Facts, 'latest' | 'confirmedAt' | 'epoch'>): OperationRecord | undefined => {
  const { backup } = latest;
  if (!backup?.error || isDumped(backup) || backup.epoch !== epoch) return undefined;
  // Nothing was written since, and the schedule has found the newest one to hold everything.
  return confirmedAt === null || confirmedAt <= (backup.endedAt ?? '') ? backup : undefined;
};
/** Then it is the push that failed. */
const isDumped = ({ steps }: OperationRecord): boolean =>
  steps.some(({ name, state }) => name === 'dump' && (state === 'done' || state === 'undone'));
