import { Refused } from '../domain/errors.js';
import { type Manifest, newestFirst } from '../domain/manifest.js';
import { shrunkFrom, withShrunk } from '../domain/shrinkage.js';
import type { NodeState } from '../state/node-state.js';
import type { BackupStore } from './backup-store.js';

interface Holder {
  state: NodeState;
  backups: BackupStore;
}

/**
 * Notes when a backup that is about to be committed has much less than the one before it. From then on the one before
 * is kept. Before the commit, because after a crash in between nobody would compare the two again.
 */
export const noteShrinkage = async (
  { state, backups }: Holder,
  manifest: Manifest,
): Promise<void> => {
  const { inventory } = manifest;
  // A commit that is repeated says nothing new: a person may have looked meanwhile.
  if (backups.has(manifest.id)) return;
  const before = backups
    .list()
    .find((other) => other.lineage === manifest.lineage && newestFirst(other, manifest) > 0);
  if (inventory === undefined || before?.inventory === undefined) return;
  const shrunk = shrunkFrom(
    { id: before.id, inventory: before.inventory },
    { id: manifest.id, inventory },
  );
  if (shrunk !== undefined)
    await state.update(({ shrunk: known = [] }) => ({ shrunk: withShrunk(known, shrunk) }));
};

/** A person has looked: retention may remove the backup again. Safe to repeat. @throws Refused `backup-not-found` */
export const releaseBackup = async ({ state, backups }: Holder, id: string): Promise<void> => {
  const { shrunk = [] } = state.current;
  const others = shrunk.filter(({ before }) => before !== id);
  if (others.length < shrunk.length) return state.update({ shrunk: others });
  if (backups.has(id)) return;
  throw new Refused(
    'backup-not-found',
    `no backup ${id} is kept here because the next one shrank`,
    'GET /status lists those that are, in "shrunk"',
    { value: id },
  );
};
