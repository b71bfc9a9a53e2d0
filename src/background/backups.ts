import type { Node } from '../operations/node.js';
import { markBackupCurrent } from '../replication/dumps/mark-backup-current.js';
import { requestOrLog } from './request.js';

/** Runs at each tick of BACKUP_CRON: the primary takes a backup and pushes it, unless the last one is still current. */
export const backUpIfPrimary = async (node: Node): Promise<void> => {
  if (node.state.current.mode !== 'primary') return;
  // A push resumes where it stopped. A newer dump would start over, and over a slow link none would ever arrive.
  if (node.runner.current?.kind === 'push') return;
  if ((await markBackupCurrent(node)) !== undefined) return;
  await requestOrLog(node, 'backup', { reason: 'BACKUP_CRON' }, { source: 'schedule' });
};
