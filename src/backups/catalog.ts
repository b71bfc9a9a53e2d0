import { formatDuration } from '../domain/format.js';
import type { Manifest } from '../domain/manifest.js';
import type { Clock } from '../ports/clock.js';
import type { NodeState } from '../state/node-state.js';
import type { BackupStore } from './backup-store.js';

export interface Catalog {
  state: Pick<NodeState, 'current'>;
  backups: Pick<BackupStore, 'list'>;
}

type DatedCatalog = Pick<Catalog, 'state'> & { clock: Clock };

/** A backup that is not used, and why. */
export interface Rejected {
  id: string;
  reason: string;
}

/** Committed backups of the node's lineage without the rejected ones, newest first. */
export const usableBackups = (
  { state, backups }: Catalog,
  rejected: readonly Rejected[] = [],
): Manifest[] => {
  const { lineage } = state.current;
  const ids = new Set(rejected.map(({ id }) => id));
  return backups
    .list()
    .filter((backup) => (lineage === null || backup.lineage === lineage) && !ids.has(backup.id));
};

/** When the backup was last known to hold everything. ISO 8601. */
export const currentAt = ({ state }: Pick<Catalog, 'state'>, backup: Manifest): string => {
  const { confirmed } = state.current;
  return confirmed?.backup === backup.id ? confirmed.at : backup.takenAt;
};

/** Milliseconds since `currentAt`; never negative, even if the clocks of the two nodes differ. */
export const ageOf = (node: DatedCatalog, backup: Manifest): number =>
  Math.max(0, node.clock.now() - Date.parse(currentAt(node, backup)));

/** Milliseconds by which the clocks of the two nodes may differ without a word. */
const SKEW = 300_000;

/** Milliseconds by which the backup is dated in the future; 0 when that may be the difference of the two clocks. */
export const aheadBy = (node: DatedCatalog, backup: Manifest): number => {
  const ahead = Date.parse(currentAt(node, backup)) - node.clock.now();
  return ahead > SKEW ? ahead : 0;
};

/** Whether a trial restore of the backup has failed. */
export const isKnownUnusable = ({ state }: Pick<Catalog, 'state'>, { id }: Manifest): boolean =>
  state.current.proofs[id]?.error != null;

/**
 * The backup that a takeover uses. `complete` is the backup that was dumped in this operation after the last write; it
 * comes first. A backup that could not be restored ahead of time is tried again only when no other is left.
 */
export const nextToRestore = (
  node: Catalog,
  {
    rejected = [],
    complete,
  }: { rejected?: readonly Rejected[]; complete?: string | undefined } = {},
): Manifest | undefined => {
  const usable = usableBackups(node, rejected);
  return (
    usable.find(({ id }) => id === complete) ??
    usable.find((backup) => !isKnownUnusable(node, backup)) ??
    usable[0]
  );
};

/**
 * What is lost with this backup, as a sentence. Only `complete`, which was dumped in this operation after the last
 * write, is known to hold everything.
 */
export const formatLoss = (
  node: DatedCatalog,
  backup: Manifest,
  complete: string | undefined,
): string =>
  backup.id === complete
    ? `nothing is lost: ${backup.id} was dumped after the last write`
    : `${backup.id} is ${formatAge(node, backup)}: what was written after ${currentAt(node, backup)} is lost`;

const formatAge = (node: DatedCatalog, backup: Manifest): string => {
  const ahead = aheadBy(node, backup);
  return ahead > 0
    ? `dated ${formatDuration(ahead)} in the future, so nobody knows how old it is`
    : `${formatDuration(ageOf(node, backup))} old`;
};
