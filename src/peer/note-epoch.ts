import { isError } from '../domain/errors.js';
import { planResume, planStandDown } from '../operations/boot/boot.js';
import type { Node } from '../operations/node.js';

/**
 * Every message between agents carries an epoch, and ends up here. A primary that hears of a higher one is
 * superseded from this moment on: the role changes on disk first, and nothing starts the app after that.
 */
export const noteEpoch = async (node: Node, epoch: number): Promise<void> => {
  const { mode, epoch: mine } = node.state.current;
  node.observed.epoch = Math.max(node.observed.epoch, epoch);
  // A yielding node goes by what became of the operation it yielded to (settle), not by hearsay.
  if (epoch <= mine || mode === 'yielding') return;
  try {
    if (mode === 'standby') return await node.state.apply('heard', epoch);
    await node.state.apply('superseded', epoch, {
      standDown: { epoch, finalBackup: null, writes: null },
      failbackDue: false,
    });
  } catch (error) {
    // Two messages said it at once, and the other one was first.
    if (isError(error, 'transition-not-allowed') && node.state.current.epoch >= epoch) return;
    if (isError(error, 'disk-full') && (await node.ballast.drop())) return noteEpoch(node, epoch);
    // The guard stops the app all the same (knowsHigherEpoch).
    throw error;
  }
  node.log.warn({ epoch, mine }, 'superseded: the other node has a higher epoch');
  // Not awaited: the message may have been heard by the very operation that now has to end.
  standDownIfDue(node).catch((error: unknown) => node.log.error({ error }, 'could not stand down'));
};

/** Starts standing down when it is due; when another operation is in the way, the guard asks again. */
export const standDownIfDue = async (node: Node): Promise<void> => {
  if (node.state.current.standDown === null) return;
  try {
    await node.runner.start(planStandDown(node), { source: 'agent' });
  } catch (error) {
    if (!isError(error, 'busy')) throw error;
  }
};

/** Asks the peer what became of the operation this node has yielded to, and acts on the answer. Throws when there is none. */
export const resolvePendingYield = async (node: Node): Promise<void> => {
  const { yielding } = node.state.current;
  if (yielding === null || node.runner.current !== undefined) return;
  const { operation, cause, epoch, finalBackup, writes } = yielding;
  // An offer may still be on its way to the peer, so it has to be withdrawn there before we may resume.
  const record =
    cause === 'handover' ? await node.peer.cancel(operation) : await node.peer.operation(operation);
  if (record?.committed) {
    const standDown = { epoch, finalBackup, writes };
    await node.state.apply('superseded', epoch, { standDown, failbackDue: false });
    return standDownIfDue(node);
  }
  if (record?.state === 'running') return;
  await node.runner.start(planResume(node), { source: 'agent' });
};
