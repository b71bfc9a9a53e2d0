import type { Readable } from 'node:stream';
import { Refused } from '../domain/errors.js';
import type { Manifest } from '../domain/manifest.js';
import { isInTheWay } from '../domain/operation.js';
import { assertNearEpoch } from '../domain/transitions.js';
import type { Leadership } from '../leadership/leadership.js';
import { type Clock, isoNow } from '../ports/clock.js';
import type { Notifier } from '../ports/notifier.js';
import type { BackupStore } from './backup-store.js';
import { backupsInUse, makeRoom, type Pruner, pruneBackups } from './prune.js';
import { noteShrinkage } from './shrinkage.js';
import type { Received } from './uploads.js';

interface Receiver extends Pruner {
  settings: Pruner['settings'] & { nodeName: string };
  leadership: Pick<Leadership, 'noteEpoch'>;
  backups: BackupStore;
  clock: Clock;
  notifier: Notifier;
}

/** Streams a dump, or the rest of an interrupted one, to disk. @throws Refused `serving`, and those of `BackupStore.receive` */
export const receiveBackup = async (
  node: Receiver,
  id: string,
  content: Readable,
  extent: { from?: number; bytes?: number },
): Promise<Received> => {
  assertNotServing(node);
  await makeRoom(node);
  return node.backups.receive(id, content, extent);
};

/**
 * Makes an upload a backup of this node and keeps the last BACKUP_KEEP. An adopted dump may be of a past epoch.
 * @throws Refused `serving`, `invalid-request`, `stale-epoch`, `backup-behind`, `foreign-lineage`, and those of `BackupStore.commit`
 */
export const commitBackup = async (
  node: Receiver,
  manifest: Manifest,
  { isAdopted = false } = {},
): Promise<void> => {
  assertNotServing(node);
  assertNearEpoch(manifest.epoch, node.state.current.epoch);
  if (!isAdopted) {
    assertCurrentEpoch(node, manifest);
    assertNotBehind(node, manifest);
  }
  await assertOwnLineage(node, manifest);
  await noteShrinkage(node, manifest);
  await node.backups.commit(manifest);
  await node.leadership.noteEpoch(manifest.epoch);
  if (node.state.current.lineage === null) await node.state.update({ lineage: manifest.lineage });
  // A running takeover may be reading any backup. The next commit prunes as well.
  if (isInTheWay(node.runner.current)) return;
  // An adopted dump may be the oldest backup, and is not pruned at once.
  await pruneBackups(node, new Set([...backupsInUse(node), manifest.id]));
};

/** The primary says that the backup was still current at `at`. @throws Refused `serving`, `backup-not-found`, `backup-unusable` */
export const confirmBackup = async (node: Receiver, id: string, at: string): Promise<void> => {
  assertNotServing(node);
  node.backups.get(id);
  assertUsable(node, id);
  // Limited to this node's clock: with a clock that is ahead, a backup would stay young.
  const seen = new Date(Math.min(Date.parse(at), node.clock.now())).toISOString();
  await node.state.update({ confirmed: { backup: id, at: seen } });
};

/** A node that serves or yields has newer data than any backup (H15). */
const assertNotServing = (node: Receiver): void => {
  const { mode, epoch } = node.state.current;
  if (mode === 'standby') return;
  throw new Refused(
    'serving',
    `${node.settings.nodeName} is ${mode} at epoch ${epoch} and takes no backups`,
    'the sender is superseded when its epoch is lower; GET /status on both nodes',
    { value: mode },
  );
};

/** If an unusable backup counted as current, no new one would be taken until something is written. */
const assertUsable = ({ state, settings }: Receiver, id: string): void => {
  const error = state.current.proofs[id]?.error;
  if (error == null) return;
  throw new Refused(
    'backup-unusable',
    `${id} could not be restored on ${settings.nodeName}: ${error}`,
    'a new backup has to be taken: POST /backups on the primary',
    { value: id },
  );
};

/** A backup of a past epoch has old data, however new its name is (H14). */
const assertCurrentEpoch = (node: Receiver, manifest: Manifest): void => {
  const { epoch } = node.state.current;
  if (manifest.epoch >= epoch) return;
  throw new Refused(
    'stale-epoch',
    `${manifest.id} is of epoch ${manifest.epoch}, this node knows of epoch ${epoch}`,
    'the sender is superseded: it stands down by itself and gets the data by failback',
    { value: manifest.epoch },
  );
};

/** A sender that has lost its count would have its new backups taken for the oldest ones, and removed at once (H36). */
const assertNotBehind = ({ backups, settings }: Receiver, manifest: Manifest): void => {
  const { id, epoch, lineage, sequence } = manifest;
  const newest = backups.list().find((kept) => kept.epoch === epoch && kept.lineage === lineage);
  if (newest === undefined || backups.has(id) || sequence > newest.sequence) return;
  throw new Refused(
    'backup-behind',
    `${id} is number ${sequence} of epoch ${epoch}, and ${settings.nodeName} has ${newest.id}, number ${newest.sequence}`,
    'the sender has lost its count; its next backup goes on from the number here. POST /backups on it takes one at once',
    { value: sequence },
  );
};

/** A dump of another database never becomes a backup here and never evicts one (H16). It goes into quarantine. */
const assertOwnLineage = async (node: Receiver, manifest: Manifest): Promise<void> => {
  const { lineage } = node.state.current;
  if (lineage === null || lineage === manifest.lineage) return;
  const reason = `${manifest.id} is of lineage ${manifest.lineage}, this node keeps ${lineage}`;
  // Announced once, although the sender tries again at every tick.
  const isKnown = node.backups
    .quarantined()
    .some((earlier) => earlier.manifest.lineage === manifest.lineage);
  await node.backups.quarantine(manifest, reason, isoNow(node));
  if (!isKnown) {
    node.notifier.announce({
      event: 'foreign-backup',
      severity: 'critical',
      message: `${node.settings.nodeName} refuses the backups of ${manifest.node}: ${reason}; the good backups are kept`,
      remedy: FOREIGN_REMEDY,
    });
  }
  throw new Refused('foreign-lineage', reason, FOREIGN_REMEDY, { value: manifest.lineage });
};

const FOREIGN_REMEDY =
  'the sending node runs another database than the one backed up here: check its DB_NAME and its data; if that is the production data from now on, POST /adopt on both nodes';
