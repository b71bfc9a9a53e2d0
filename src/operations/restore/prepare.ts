import { isError } from '../../domain/errors.js';
import { type Manifest, newestFirst } from '../../domain/manifest.js';
import type { Plan, Step } from '../../engine/plan.js';
import { stopDatabaseStep } from '../../serve/serve.js';
import type { StateData } from '../../state/node-state.js';
import { isoNow, type Node } from '../node.js';
import { assertFreeSpace } from './free-space.js';
import { newRestoration, type Restoration, restoreSteps, tidyStep } from './restore.js';

/**
 * Restores a backup ahead of time and leaves the database cold, so that a promote has only to open it. Everything
 * else is more urgent.
 */
export const planPrepare = (node: Node, backup: Manifest): Plan => {
  const restoration: Restoration = { ...newRestoration(backup.epoch), chosen: backup };
  const began = node.clock.elapsed();
  return {
    kind: 'prepare',
    reason: `${backup.id} has come in`,
    command: { type: 'prepare', backup: backup.id },
    steps: [
      ...restoreSteps(node, restoration, {
        beforeRestore: async () => {
          // What an earlier one has left half-done makes room.
          await node.stack.database.discard();
          await assertFreeSpace(node, backup);
        },
      }).map((step) => unusableIsTheEnd(node, backup, step)),
      tidyStep(node),
      stopDatabaseStep(node),
      proveStep(node, backup, began),
      createAppStep(node),
    ],
    isCommitted: () => false,
    isPreemptible: () => true,
    result: () => ({ backup: backup.id, replacedDatabase: restoration.keptAs ?? null }),
  };
};

/** A promote would fall back to an older backup; here the one that is restored already stays, and somebody has to know. */
const unusableIsTheEnd = (node: Node, backup: Manifest, { otherwise: _, ...step }: Step): Step => ({
  ...step,
  run: async (context) => {
    try {
      return await step.run(context);
    } catch (error) {
      if (isError(error, 'backup-unusable'))
        await keepProof(node, backup, { took: 0, error: error.message });
      throw error;
    }
  },
});

/** Only now: cut before, it is done again, and finds the database restored already. */
const proveStep = (node: Node, backup: Manifest, began: number): Step => ({
  name: 'prove',
  run: async () => {
    const took = Math.round(node.clock.elapsed() - began);
    await keepProof(node, backup, { took, error: null });
    return `${backup.id} is proven by a restore`;
  },
});

/** A missing image shows now, not when everybody waits for the app. The backup is proven all the same. */
const createAppStep = ({ stack }: Node): Step => ({
  name: 'create-app',
  run: async ({ signal }) => {
    await stack.app.create?.(signal);
    return undefined;
  },
});

/** Remembers whether a backup can be restored, which decides what a takeover goes by and what counts as current. */
export const keepProof = async (
  node: Node,
  backup: Manifest,
  proof: { took: number; error: string | null },
): Promise<void> => {
  const { proofs, prepared, unusable } = node.state.current;
  const kept = Object.entries(proofs).filter(([id]) => node.backups.has(id));
  await node.state.update({
    proofs: { ...Object.fromEntries(kept), [backup.id]: { ...proof, at: isoNow(node) } },
    prepared: proof.error === null ? backup.id : prepared,
    unusable:
      proof.error === null
        ? still(node, unusable, backup)
        : { backup: backup.id, error: proof.error },
  });
};

/** An older backup that can be restored is what is left; only a newer one makes up for it. */
const still = (
  { backups }: Node,
  unusable: StateData['unusable'],
  proven: Manifest,
): StateData['unusable'] => {
  if (unusable === null || !backups.has(unusable.backup)) return null;
  return newestFirst(proven, backups.get(unusable.backup)) > 0 ? unusable : null;
};
