import { Refused } from '../domain/errors.js';
import { type Manifest, newestFirst } from '../domain/manifest.js';
import { isInTheWay } from '../domain/operation.js';
import { backoff } from '../engine/retry.js';
import { planPush } from '../operations/backup/backup.js';
import { markBackupCurrent } from '../operations/backup/mark-backup-current.js';
import type { Node } from '../operations/node.js';
import { usableBackups } from '../operations/promote/choose-backup.js';
import { requestBackup } from '../operations/requests.js';

const RETRY_FIRST = 10_000;
const RETRY_MOST = 300_000;

/** The cron's tick: the primary takes a backup and pushes it, unless nothing has changed since the last one. */
export const backUpIfPrimary = async (node: Node): Promise<void> => {
  if (node.state.current.mode !== 'primary') return;
  // It goes on where it stopped. A newer dump would start over, and over a slow or weak link none would ever arrive.
  if (node.runner.current?.kind === 'push') return;
  if ((await markBackupCurrent(node)) !== undefined) return;
  try {
    await requestBackup(node, { reason: 'BACKUP_CRON' }, { source: 'schedule' });
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    node.log.warn({ code: error.code }, `no backup this time: ${error.message}`);
  }
};

/**
 * Sends a backup again that the peer did not get, with growing pauses, until it has it: of a push that has failed, of one
 * that this agent did not live to see the end of, and to a standby that was set up anew.
 */
export const createPushRetry = (node: Node): (() => Promise<void>) => {
  let attempts = 0;
  let notBefore = node.clock.elapsed() + RETRY_FIRST;
  return async () => {
    const { mode, push, epoch } = node.state.current;
    const newest = usableBackups(node)[0];
    const isDue =
      mode === 'primary' &&
      newest?.epoch === epoch &&
      (push.failingSince !== null || peerLacks(node, newest));
    if (!isDue) {
      attempts = 0;
      notBefore = node.clock.elapsed() + RETRY_FIRST;
      return;
    }
    if (node.clock.elapsed() < notBefore || isInTheWay(node.runner.current)) return;
    notBefore = node.clock.elapsed() + backoff(attempts, RETRY_FIRST, RETRY_MOST);
    attempts += 1;
    await node.runner.start(planPush(node, newest), { source: 'schedule' });
  };
};

/** Whether the standby has nothing as new as that, as far as it has been looked at. */
const peerLacks = ({ observed }: Node, newest: Manifest): boolean => {
  const peer = observed.peer?.value;
  if (peer === undefined || 'error' in peer || peer.mode !== 'standby') return false;
  return peer.latestBackup === null || newestFirst(newest, peer.latestBackup) < 0;
};
