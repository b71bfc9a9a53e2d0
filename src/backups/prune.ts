import type { Runner } from '../engine/runner.js';
import type { NodeState } from '../state/node-state.js';
import type { BackupStore } from './backup-store.js';

export interface Pruner {
  settings: { backupKeep: number };
  state: NodeState;
  backups: BackupStore;
  runner: Pick<Runner, 'current'>;
}

/**
 * Removes backups beyond BACKUP_KEEP. Also runs at a start of the agent, because BACKUP_KEEP may have been lowered to
 * free space. Resolves to the removed ids.
 */
export const pruneBackups = async (
  node: Pruner,
  spared: ReadonlySet<string> = backupsInUse(node),
): Promise<string[]> => {
  const { lineage } = node.state.current;
  return lineage === null ? [] : node.backups.prune(lineage, node.settings.backupKeep, spared);
};

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
