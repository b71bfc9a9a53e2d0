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

/** A backup that is passed over, and why. */
export interface Rejected {
  id: string;
  reason: string;
}

/** Committed backups of the node's lineage that were not found unusable, newest first. */
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

/** The last moment at which the backup is known to have held everything. ISO 8601. */
export const currentAt = ({ state }: Pick<Catalog, 'state'>, backup: Manifest): string => {
  const { confirmed } = state.current;
  return confirmed?.backup === backup.id ? confirmed.at : backup.takenAt;
};

/** Milliseconds since then; never negative, whatever the two clocks say. */
export const ageOf = (node: DatedCatalog, backup: Manifest): number =>
  Math.max(0, node.clock.now() - Date.parse(currentAt(node, backup)));

/** The backup could not be restored ahead of time. */
export const isKnownUnusable = ({ state }: Pick<Catalog, 'state'>, { id }: Manifest): boolean =>
  state.current.proofs[id]?.error != null;

/**
 * What a takeover goes by. `complete` is the backup that was dumped in this very operation after the last write; it
 * comes first. What could not be restored ahead of time is tried again only when nothing else is left.
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
 * What is lost with this backup, in words that can be believed at 3 a.m. Only `complete`, which was dumped in this very
 * operation after the last write, can be known to hold everything.
 */
export const formatLoss = (
  node: DatedCatalog,
  backup: Manifest,
  complete: string | undefined,
): string =>
  backup.id === complete
    ? `nothing is lost: ${backup.id} was dumped after the last write`
    : `${backup.id} is ${formatDuration(ageOf(node, backup))} old: what was written after ${currentAt(node, backup)} is lost`;
