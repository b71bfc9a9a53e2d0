import type { BackupStore } from '../../backups/backup-store.js';
import type { ColdspareError } from '../../domain/errors.js';
import { type Manifest, newestFirst } from '../../domain/manifest.js';
import { type Clock, isoNow } from '../../ports/clock.js';
import type { NodeState, StateData } from '../../state/node-state.js';

interface Recorder {
  state: NodeState;
  backups: BackupStore;
  clock: Clock;
}

/** Records that a backup could not be restored, and what is at fault. */
export const recordUnusable = (
  node: Recorder,
  backup: Manifest,
  { message, code }: ColdspareError,
): Promise<void> => recordProof(node, backup, { took: 0, error: message }, code);

/** Records whether a backup could be restored. Takeovers choose their backup by it. */
export const recordProof = async (
  node: Recorder,
  backup: Manifest,
  proof: { took: number; error: string | null },
  code?: string,
): Promise<void> => {
  await node.state.update(({ proofs, prepared, unusable }) => {
    const kept = Object.entries(proofs).filter(([id]) => node.backups.has(id));
    return {
      proofs: { ...Object.fromEntries(kept), [backup.id]: { ...proof, at: isoNow(node) } },
      prepared: proof.error === null ? backup.id : prepared,
      unusable:
        proof.error === null
          ? remainingUnusable(node.backups, unusable, backup)
          : { backup: backup.id, error: proof.error, ...(code && { code }) },
    };
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
