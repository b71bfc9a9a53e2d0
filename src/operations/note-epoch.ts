import type { Node } from './node.js';
import { type StandDownNode, standDownIfDue } from './stand-down/stand-down.js';

/**
 * Called with the epoch of every message between agents. A primary that hears of a higher epoch is superseded at once:
 * the role changes on disk first, and nothing starts the app after that.
 */
export const noteEpoch = async (
  node: StandDownNode & Pick<Node, 'leadership' | 'runner' | 'log'>,
  epoch: number,
): Promise<void> => {
  if (!(await node.leadership.noteEpoch(epoch))) return;
  // Not awaited: the operation that heard the message may be the one that now has to end.
  standDownIfDue(node).catch((error: unknown) => node.log.error({ error }, 'could not stand down'));
};
