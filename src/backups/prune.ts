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
 * Removes what is beyond BACKUP_KEEP: also at a start of the agent, where it may have been lowered to make room. Resolves
 * to the removed ids.
 */
export const pruneBackups = async (
  node: Pruner,
  spared: ReadonlySet<string> = backupsInUse(node),
): Promise<string[]> => {
  const { lineage } = node.state.current;
  return lineage === null ? [] : node.backups.prune(lineage, node.settings.backupKeep, spared);
};

/**
 * What a takeover may still need, however many newer ones have come that nobody has restored yet: the backup that lies
 * restored, the newest that was proven, and the one that is being restored now.
 */
export const backupsInUse = ({ state, backups, runner }: Pruner): ReadonlySet<string> => {
  const { prepared, proofs } = state.current;
  const proven = backups.list().find(({ id }) => proofs[id]?.error === null);
  const ids = [prepared, proven?.id, runner.current?.command.backup];
  return new Set(ids.filter((id) => typeof id === 'string'));
};
