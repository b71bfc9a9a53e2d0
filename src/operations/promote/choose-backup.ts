import type { PromoteCommand } from '../../domain/commands.js';
import { Refused, toColdspareError } from '../../domain/errors.js';
import { formatDuration } from '../../domain/format.js';
import { type Manifest, newestFirst } from '../../domain/manifest.js';
import { nextEpoch } from '../../domain/transitions.js';
import type { Step } from '../../engine/plan.js';
import type { Node } from '../node.js';
import { newRestoration, type Restoration } from '../restore/restore.js';

/** Committed backups of the node's lineage that were not found unusable, newest first. */
export const usableBackups = (node: Node, rejected: Restoration['rejected'] = []): Manifest[] => {
  const { lineage } = node.state.current;
  const ids = new Set(rejected.map(({ id }) => id));
  return node.backups
    .list()
    .filter((backup) => (lineage === null || backup.lineage === lineage) && !ids.has(backup.id));
};

/** The last moment at which the backup is known to have held everything. */
export const currentAt = ({ state }: Node, backup: Manifest): string => {
  const { confirmed } = state.current;
  return confirmed?.backup === backup.id ? confirmed.at : backup.takenAt;
};

/** Milliseconds since then; never negative, whatever the two clocks say. */
export const ageOf = (node: Node, backup: Manifest): number =>
  Math.max(0, node.clock.now() - Date.parse(currentAt(node, backup)));

/**
 * What is lost with this backup, in words that can be believed at 3 a.m. `complete` names the one that was
 * dumped in this very operation after the last write; no other can be known to hold everything.
 */
export const formatLoss = (node: Node, backup: Manifest, complete: string | undefined): string =>
  backup.id === complete
    ? `nothing is lost: ${backup.id} was dumped after the last write`
    : `${backup.id} is ${formatDuration(ageOf(node, backup))} old: what was written after ${currentAt(node, backup)} is lost`;

/** What a takeover goes by. What could not be restored ahead of time is tried again only when nothing else is left. */
export const nextToRestore = (
  node: Node,
  { rejected, complete }: Pick<Restoration, 'rejected' | 'complete'> = newRestoration(0),
): Manifest | undefined => {
  const usable = usableBackups(node, rejected);
  return (
    usable.find(({ id }) => id === complete) ??
    usable.find((backup) => !isKnownUnusable(node, backup)) ??
    usable[0]
  );
};

/** It could not be restored ahead of time. */
export const isKnownUnusable = ({ state }: Node, { id }: Manifest): boolean =>
  state.current.proofs[id]?.error != null;

/** @throws Refused `no-backup`, `backup-too-old`; `backup-unusable` when the last dump of the old primary is */
export const chooseBackup = (
  node: Node,
  { force }: Pick<PromoteCommand, 'force'>,
  restoration: Pick<Restoration, 'rejected' | 'complete'>,
): Manifest => {
  const { rejected, complete } = restoration;
  const unusable = rejected.find(({ id }) => id === complete);
  if (unusable !== undefined && !force) throw lastDumpUnusable(unusable);
  const newest = nextToRestore(node, restoration);
  if (newest === undefined) throw noBackup(node, rejected);
  const { backupMaxAge } = node.settings;
  const isTooOld = newest.id !== complete && ageOf(node, newest) > backupMaxAge;
  if (!isTooOld || force) return newest;
  throw new Refused(
    'backup-too-old',
    `${formatLoss(node, newest, complete)}; BACKUP_MAX_AGE is ${formatDuration(backupMaxAge)}`,
    'start the old primary\'s database if you can, or accept the loss with POST /promote {"force": true}',
    { value: newest.id },
  );
};

/**
 * Says before anything is touched what the takeover would cost, and refuses when no backup would do and nobody
 * is left to give a better one. Claims the epoch.
 */
export const weighStep = (node: Node, command: PromoteCommand, restoration: Restoration): Step => ({
  name: 'weigh',
  run: async () => {
    const { epoch, parity } = node.state.current;
    restoration.epoch = nextEpoch(epoch, parity);
    try {
      const newest = chooseBackup(node, command, restoration);
      return `without a last dump of the old primary ${formatLoss(node, newest, undefined)}`;
    } catch (refusal) {
      if (!mayBeRescued(node)) throw refusal;
      return `only a last dump of the old primary can help: ${toColdspareError(refusal).message}`;
    }
  },
});

/** The newest backup that can be used, and what is lost with it. */
export const chooseStep = (
  node: Node,
  command: PromoteCommand,
  restoration: Restoration,
): Step => ({
  name: 'choose-backup',
  run: async () => take(node, restoration, chooseBackup(node, command, restoration)),
});

/** The one backup that a handover may go by: an older one would lose acknowledged writes. */
export const takeGivenStep = (node: Node, backup: string, restoration: Restoration): Step => ({
  name: 'choose-backup',
  run: async () => {
    const unusable = restoration.rejected.find(({ id }) => id === backup);
    if (unusable !== undefined) {
      throw new Refused(
        'backup-unusable',
        `the last backup of the handover could not be restored here: ${unusable.reason}`,
        "the other node goes on serving; look at this node's disk and database, then ask for the handover again",
        { value: backup },
      );
    }
    restoration.complete = backup;
    return take(node, restoration, node.backups.get(backup));
  },
});

const take = (node: Node, restoration: Restoration, chosen: Manifest): string => {
  restoration.chosen = chosen;
  restoration.loss = formatLoss(node, chosen, restoration.complete);
  const { proofs } = node.state.current;
  restoration.passedOver = usableBackups(node, restoration.rejected)
    .filter((backup) => newestFirst(backup, chosen) < 0 && isKnownUnusable(node, backup))
    .map(({ id }) => ({ id, reason: proofs[id]?.error ?? '' }));
  const fallenBack = [...restoration.passedOver, ...restoration.rejected].map(
    ({ id }) => `${id} could not be restored; `,
  );
  return `${fallenBack.join('')}${restoration.loss}`;
};

/** Whether the old primary was there to give a last dump when it was looked at last, or its machine may be. */
export const mayBeRescued = ({ settings, observed, machine }: Node): boolean => {
  const agent = observed.peer?.value;
  const answers = agent !== undefined && !('error' in agent);
  return settings.rescueTimeout > 0 && (answers || machine !== undefined);
};

/** The old primary still has what it holds, so an older backup would lose that for nothing. */
const lastDumpUnusable = ({ id, reason }: Restoration['rejected'][number]): Refused =>
  new Refused(
    'backup-unusable',
    `the last dump of the old primary could not be restored here: ${reason}`,
    'the old primary has its role back; look at this node\'s disk and database, then POST /promote again. To go by an older backup and lose what was written since: POST /promote {"force": true}',
    { value: id },
  );

const noBackup = (node: Node, rejected: Restoration['rejected']): Refused =>
  new Refused(
    'no-backup',
    rejected.length === 0
      ? `${node.settings.nodeName} has no committed backup of this database`
      : `none of the backups could be restored: ${rejected.map(({ id, reason }) => `${id}: ${reason}`).join('; ')}`,
    'start the old primary, or adopt a dump: POST /backups/{id}/adopt {"path": "/…/dump.sql"}',
    { value: rejected.map(({ id }) => id) },
  );
