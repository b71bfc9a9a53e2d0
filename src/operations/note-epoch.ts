import type { Node } from './node.js';
import { standDownIfDue } from './stand-down/stand-down.js';

/**
 * Every message between agents carries an epoch, and ends up here. A primary that hears of a higher one is
 * superseded from this moment on: the role changes on disk first, and nothing starts the app after that.
 */
export const noteEpoch = async (node: Node, epoch: number): Promise<void> => {
  if (!(await node.leadership.noteEpoch(epoch))) return;
  // Not awaited: the message may have been heard by the very operation that now has to end.
  standDownIfDue(node).catch((error: unknown) => node.log.error({ error }, 'could not stand down'));
};
