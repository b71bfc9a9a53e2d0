import type { Node } from '../node.js';
import { standDownIfDue } from '../stand-down/stand-down.js';
import { type Booter, planResume } from './boot.js';

/**
 * Asks the peer how the operation ended to which this node yields, and acts on the answer.
 * @throws ColdspareError `peer-unreachable`, `peer-refused`
 */
export const resolvePendingYield = async (node: Booter & Pick<Node, 'runner'>): Promise<void> => {
  const { yielding } = node.state.current;
  if (yielding === null || node.runner.current !== undefined) return;
  const { operation, cause, epoch, finalBackup, writes } = yielding;
  // The offer of a handover may still be on its way to the peer, so it is cancelled there before this node resumes.
  const record =
    cause === 'handover' ? await node.peer.cancel(operation) : await node.peer.operation(operation);
  if (record?.committed) {
    await node.leadership.concede(epoch, { epoch, finalBackup, writes });
    return standDownIfDue(node);
  }
  if (record?.state === 'running') return;
  await node.runner.start(planResume(node), { source: 'agent' });
};
