import { isError } from '../domain/errors.js';
import type { Node } from '../operations/node.js';
import { assertStartable } from '../serve/app.js';

/** Notices what would keep a start of the app from working, such as an image that was removed, long before it is needed. */
export const createReadinessWatch =
  (node: Pick<Node, 'stack' | 'local' | 'log' | 'state' | 'peerView'>) =>
  async (): Promise<void> => {
    const before = node.local.unstartable?.message;
    const keptBefore = `${node.local.kept ?? ''}`;
    try {
      await assertStartable(node);
      if (`${node.local.kept ?? ''}` !== keptBefore)
        node.log.warn({ kept: node.local.kept }, 'the next start of the app keeps its image');
    } catch (error) {
      if (isError(error, 'timed-out')) throw error;
      if (node.local.unstartable?.message !== before)
        node.log.error({ error }, 'the app could not be started now');
    }
  };
