import type { Manifest } from '../domain/manifest.js';
import { backoff } from '../engine/retry.js';
import type { Node } from '../operations/node.js';
import { isKnownUnusable, nextToRestore } from '../operations/promote/choose-backup.js';
import { planPrepare } from '../operations/restore/prepare.js';

const RETRY_MOST = 300_000;

/** Restores the newest backup of a standby ahead of time; what came to nothing is tried again with growing pauses. */
export const createPreparation = (node: Node): (() => Promise<void>) => {
  let tried: string | undefined;
  let attempts = 0;
  let notBefore = 0;
  return async () => {
    const due = duePreparation(node);
    if (due === undefined || node.runner.current !== undefined) return;
    if (due.id !== tried) {
      tried = due.id;
      attempts = 0;
      notBefore = 0;
    }
    if (node.clock.elapsed() < notBefore) return;
    notBefore = node.clock.elapsed() + backoff(attempts, node.settings.checkInterval, RETRY_MOST);
    attempts += 1;
    await node.runner.start(planPrepare(node, due), { source: 'schedule' });
  };
};

/** The backup that is to be restored ahead of time; undefined when there is nothing to do. */
const duePreparation = (node: Node): Manifest | undefined => {
  const { mode, standDown, prepared } = node.state.current;
  if (node.settings.prepare !== 'on-receive' || mode !== 'standby' || standDown !== null)
    return undefined;
  // While the primary hands over, users wait for its last backup: the takeover restores that itself, and not gently.
  if (peerHandsOver(node)) return undefined;
  const next = nextToRestore(node);
  if (next === undefined || isKnownUnusable(node, next)) return undefined;
  return next.id === prepared && isDone(node, next) ? undefined : next;
};

/** Whether nothing of the last preparation of it has failed, such as making the app's container. */
const isDone = ({ runner }: Node, { id }: Manifest): boolean => {
  const last = runner
    .list()
    .find(({ kind, command }) => kind === 'prepare' && command.backup === id);
  return last === undefined || last.state === 'done';
};

const peerHandsOver = ({ observed }: Node): boolean => {
  const peer = observed.peer?.value;
  return peer !== undefined && !('error' in peer) && peer.operation?.kind === 'handover';
};
