import { toColdspareError } from '../domain/errors.js';
import type { Node } from '../operations/node.js';

/** Milliseconds between two looks. */
const PAUSE = 600_000;

/**
 * Looks on a primary for what a takeover would leave behind: other databases, rights, queues. It is said from the first
 * day, because after a takeover it is too late.
 */
export const createUncarriedWatch = (
  node: Pick<Node, 'state' | 'runner' | 'stack' | 'local' | 'log' | 'clock'>,
): (() => Promise<void>) => {
  let lookedAt: number | undefined;
  return async () => {
    const isDue = lookedAt === undefined || node.clock.elapsed() - lookedAt >= PAUSE;
    const isReady = node.state.current.mode === 'primary' && node.runner.current === undefined;
    if (!isDue || !isReady || node.local.database?.value.answers !== true) return;
    lookedAt = node.clock.elapsed();
    const { database, uncarried } = node.stack;
    const found = await Promise.allSettled([database.uncarried?.(), uncarried?.()]);
    for (const look of found)
      if (look.status === 'rejected')
        node.log.warn(
          { error: toColdspareError(look.reason).message },
          'a part of what a takeover would leave behind could not be found out; it is tried again',
        );
    if (found.every(({ status }) => status === 'rejected')) return;
    node.local.uncarried = found.flatMap((look) =>
      look.status === 'fulfilled' ? (look.value ?? []) : [],
    );
  };
};
