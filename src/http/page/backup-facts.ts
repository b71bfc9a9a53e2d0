import { ageOf } from '../../backups/catalog.js';
import type { BackupSummary } from '../../domain/status.js';
import type { Node } from '../../operations/node.js';

/** A backup that is kept here, or that was taken here and has been removed since. */
export interface BackupFacts {
  id: string;
  /** Milliseconds since 1970. */
  takenAt: number;
  ageSeconds: number;
  bytes: number;
  isKept: boolean;
  proof: BackupSummary['proof'];
}

/** Backups that fit into the plot. */
const LIMIT = 60;

/** Newest first: the backups on this disk, then older ones from the journal. */
export const backupFacts = (
  node: Node,
  newestAtPeer: Pick<BackupFacts, 'id' | 'proof'> | null,
): BackupFacts[] => {
  const { proofs } = node.state.current;
  const kept = node.backups.list().map((manifest) => {
    // A primary restores no backup. The standby has tried its copy.
    const theirs = newestAtPeer?.id === manifest.id ? newestAtPeer.proof : null;
    return {
      id: manifest.id,
      takenAt: Date.parse(manifest.takenAt),
      ageSeconds: ageOf(node, manifest) / 1_000,
      bytes: manifest.bytes,
      isKept: true,
      proof: proofs[manifest.id] ?? theirs,
    };
  });
  const ids = new Set(kept.map(({ id }) => id));
  return [...kept, ...takenBefore(node).filter(({ id }) => !ids.has(id))].slice(0, LIMIT);
};

const takenBefore = (node: Node): BackupFacts[] =>
  node.runner.list().flatMap(({ kind, startedAt, result }) => {
    const { backup, bytes } = result ?? {};
    if (kind !== 'backup' || typeof backup !== 'string' || typeof bytes !== 'number') return [];
    const takenAt = Date.parse(startedAt);
    const ageSeconds = Math.max(0, node.clock.now() - takenAt) / 1_000;
    return [{ id: backup, takenAt, ageSeconds, bytes, isKept: false, proof: null }];
  });
