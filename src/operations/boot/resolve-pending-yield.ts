import type { Node } from '../node.js';
import { standDownIfDue } from '../stand-down/stand-down.js';
import { planResume } from './boot.js';

/**
 * Asks the peer what became of the operation that this node has yielded to, and acts on the answer.
 * @throws ColdspareError `peer-unreachable`, `peer-refused`
 */
export const resolvePendingYield = async (node: Node): Promise<void> => {
  const { yielding } = node.state.current;
  if (yielding === null || node.runner.current !== undefined) return;
  const { operation, cause, epoch, finalBackup, writes } = yielding;
  // An offer may still be on its way to the peer, so it has to be withdrawn there before we may resume.
  const record =
    cause === 'handover' ? await node.peer.cancel(operation) : await node.peer.operation(operation);
  if (record?.committed) {
    await node.leadership.concede(epoch, { epoch, finalBackup, writes });
    return standDownIfDue(node);
  }
  if (record?.state === 'running') return;
  await node.runner.start(planResume(node), { source: 'agent' });
};
