import { isAhead } from '../../domain/replication.js';
import type { NodeStatus } from '../../domain/status.js';
import type { Node } from '../node.js';

/**
 * Whether the peer's replica has log that this node's running cluster does not have. A primary sends what is on its disk
 * alone, so its disk was set back, for example to an old image of the machine (H36).
 */
export const isBehindReplica = async (
  { stack }: Pick<Node, 'stack'>,
  peer: NodeStatus | undefined,
): Promise<boolean> => {
  const replica = peer?.replication?.positions;
  if (stack.cluster === undefined || !replica?.isInRecovery) return false;
  const own = await stack.cluster.positions();
  return own.system === replica.system && !own.isInRecovery && isAhead(replica, own);
};
