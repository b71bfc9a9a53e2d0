import type { BackupStore } from '../../backups/backup-store.js';
import { type Manifest, newestFirst } from '../../domain/manifest.js';
import { type Clock, isoNow } from '../../ports/clock.js';
import type { NodeState, StateData } from '../../state/node-state.js';

/** Records whether a backup could be restored. Takeovers choose their backup by it. */
export const recordProof = async (
  node: { state: NodeState; backups: BackupStore; clock: Clock },
  backup: Manifest,
  proof: { took: number; error: string | null },
): Promise<void> => {
  const { proofs, prepared, unusable } = node.state.current;
  const kept = Object.entries(proofs).filter(([id]) => node.backups.has(id));
  const isProven = proof.error === null;
  await node.state.update({
    proofs: { ...Object.fromEntries(kept), [backup.id]: { ...proof, at: isoNow(node) } },
    prepared: isProven ? backup.id : prepared,
    unusable:
      proof.error === null
        ? remainingUnusable(node.backups, unusable, backup)
        : { backup: backup.id, error: proof.error },
  });
};

/** An unusable backup stays recorded until a newer one could be restored: an older one does not replace its data. */
const remainingUnusable = (
  backups: BackupStore,
  unusable: StateData['unusable'],
  proven: Manifest,
): StateData['unusable'] => {
  if (unusable === null || !backups.has(unusable.backup)) return null;
  return newestFirst(proven, backups.get(unusable.backup)) > 0 ? unusable : null;
};
