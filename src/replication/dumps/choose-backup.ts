import {
  ageOf,
  aheadBy,
  type Catalog,
  formatLoss,
  isKnownUnusable,
  nextToRestore,
  type Rejected,
  usableBackups,
} from '../../backups/catalog.js';
import { Refused } from '../../domain/errors.js';
import { formatDuration } from '../../domain/format.js';
import { type Manifest, newestFirst } from '../../domain/manifest.js';
import type { Clock } from '../../ports/clock.js';

export interface Chooser extends Catalog {
  settings: { nodeName: string; backupMaxAge: number };
  clock: Clock;
}

/** The backup that a takeover uses. */
export interface Choice {
  backup: Manifest;
  /** What is lost with it, as a sentence. */
  loss: string;
  /** The same as a figure: milliseconds of writes. */
  lost: number;
  /** Newer backups that could not be restored ahead of time and were not tried again. */
  passedOver: Rejected[];
  /** Goes on without secondary objects that cannot be made. */
  incomplete?: boolean;
  /** The whole choice in one line. */
  summary: string;
}

interface ChoiceOptions {
  /** Backups that could not be restored in this operation. */
  rejected?: readonly Rejected[];
  /** The backup that was dumped in this operation after the last write. */
  complete?: string | undefined;
  /** The loss that an older backup means is accepted. */
  force: boolean;
}

/**
 * Chooses the newest backup that can be used.
 * @throws Refused `no-backup`, `backup-too-old`; `backup-unusable` when the last dump of the old primary is unusable
 */
export const chooseNewest = (node: Chooser, options: ChoiceOptions): Choice => {
  const { rejected = [], complete, force } = options;
  const unusable = rejected.find(({ id }) => id === complete);
  if (unusable !== undefined && !force) throw lastDumpUnusable(unusable);
  const newest = nextToRestore(node, { rejected, complete });
  if (newest === undefined) throw noBackup(node, rejected);
  const { backupMaxAge } = node.settings;
  // A date that is as far in the future says nothing about the age.
  const age = Math.max(ageOf(node, newest), aheadBy(node, newest));
  const isTooOld = newest.id !== complete && age > backupMaxAge;
  if (!isTooOld || force) return choiceOf(node, newest, options);
  throw new Refused(
    'backup-too-old',
    `${formatLoss(node, newest, complete)}; BACKUP_MAX_AGE is ${formatDuration(backupMaxAge)}`,
    'start the old primary\'s database if you can, or accept the loss with POST /promote {"force": true}',
    { value: newest.id },
  );
};

/**
 * Chooses `backup`, the only one that a handover may use: an older one would lose acknowledged writes.
 * @throws Refused `backup-unusable`, `backup-not-found`
 */
export const chooseGiven = (
  node: Chooser,
  backup: Manifest,
  rejected: readonly Rejected[],
): Choice => {
  const unusable = rejected.find(({ id }) => id === backup.id);
  if (unusable === undefined)
    return choiceOf(node, backup, { rejected, complete: backup.id, force: false });
  throw new Refused(
    'backup-unusable',
    `the last backup of the handover could not be restored here: ${unusable.reason}`,
    "the other node goes on serving; check this node's disk and database, then request the handover again",
    { value: backup.id },
  );
};

const choiceOf = (
  node: Chooser,
  backup: Manifest,
  { rejected = [], complete }: ChoiceOptions,
): Choice => {
  const { proofs } = node.state.current;
  const passedOver = usableBackups(node, rejected)
    .filter((other) => newestFirst(other, backup) < 0 && isKnownUnusable(node, other))
    .map(({ id }) => ({ id, reason: proofs[id]?.error ?? '' }));
  const loss = formatLoss(node, backup, complete);
  const fallenBack = [...passedOver, ...rejected].map(({ id }) => `${id} could not be restored; `);
  const lost = backup.id === complete ? 0 : ageOf(node, backup);
  return { backup, loss, lost, passedOver, summary: `${fallenBack.join('')}${loss}` };
};

/** The old primary still has the data of its last dump, so an older backup would lose writes without need. */
const lastDumpUnusable = ({ id, reason }: Rejected): Refused =>
  new Refused(
    'backup-unusable',
    `the last dump of the old primary could not be restored here: ${reason}`,
    'the old primary has its role back; check this node\'s disk and database, then POST /promote again. To use an older backup and lose what was written since: POST /promote {"force": true}',
    { value: id },
  );

const noBackup = ({ settings }: Chooser, rejected: readonly Rejected[]): Refused =>
  new Refused(
    'no-backup',
    rejected.length === 0
      ? `${settings.nodeName} has no committed backup of this database`
      : `none of the backups could be restored: ${rejected.map(({ id, reason }) => `${id}: ${reason}`).join('; ')}`,
    'start the old primary, or adopt a dump: POST /backups/{id}/adopt {"path": "/…/dump.sql"}',
    { value: rejected.map(({ id }) => id) },
  );
