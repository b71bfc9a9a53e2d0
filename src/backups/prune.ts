import type { Retention } from '../domain/retention.js';
import type { Runner } from '../engine/runner.js';
import type { NodeState } from '../state/node-state.js';
import type { BackupStore } from './backup-store.js';

export interface Pruner {
  settings: { retention: Retention };
  state: NodeState;
  backups: BackupStore;
  runner: Pick<Runner, 'current'>;
}

/**
 * Removes backups beyond BACKUP_KEEP and its tiers, but none that a person has to look at first. Also runs at a start
 * of the agent, because BACKUP_KEEP may have been lowered to free space. Resolves to the removed ids.
 */
export const pruneBackups = async (
  node: Pruner,
  spared: ReadonlySet<string> = backupsInUse(node),
): Promise<string[]> => {
  const { lineage } = node.state.current;
  if (lineage === null) return [];
  return node.backups.prune(lineage, node.settings.retention, withHeld(node, spared));
};

/** For a backup that is about to come: history must not keep it out, also when something else has filled the disk. */
export const makeRoom = async (node: Pruner): Promise<void> => {
  const { lineage } = node.state.current;
  if (lineage === null) return;
  const spared = withHeld(node, backupsInUse(node));
  await node.backups.makeRoom(lineage, node.settings.retention, spared);
};

/** With those that a person has to look at first. */
const withHeld = ({ state }: Pick<Pruner, 'state'>, spared: ReadonlySet<string>) =>
  new Set([...spared, ...(state.current.shrunk ?? []).map(({ before }) => before)]);

/**
 * Backups that a takeover may need even if newer ones exist that were not restored yet: the prepared one, the newest
 * proven one, and the one that is being restored.
 */
export const backupsInUse = ({ state, backups, runner }: Pruner): ReadonlySet<string> => {
  const { prepared, proofs } = state.current;
  const proven = backups.list().find(({ id }) => proofs[id]?.error === null);
  const ids = [prepared, proven?.id, runner.current?.command.backup];
  return new Set(ids.filter((id) => typeof id === 'string'));
};
