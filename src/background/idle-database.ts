import { planBoot } from '../operations/boot/boot.js';
import type { Node } from '../operations/node.js';
import { activePause } from '../status/node-status.js';
import { createRestartBackoff } from './restart-backoff.js';

/** Milliseconds. Long enough for a look into it by hand; whoever needs longer pauses the agent. */
const WARM_MOST = 600_000;

/**
 * Stops the database of a standby that nothing of ours needs. A `docker compose up` by hand starts it together with an
 * app, which may die at once on a database that takes no writes, before any guard has seen it.
 */
export const createIdleDatabaseWatch = (node: Node): (() => Promise<void>) => {
  const overdue = createRestartBackoff(node.clock, { first: WARM_MOST, most: WARM_MOST });
  return async () => {
    const isCold = node.local.database?.value.answers !== true;
    const isNeeded =
      node.state.current.mode !== 'standby' ||
      node.runner.current !== undefined ||
      activePause(node) !== null;
    if (!overdue.isDue(isCold ? 'fine' : isNeeded ? 'excused' : 'wrong')) return;
    node.log.warn({}, 'the database of a standby has been left running: it is stopped');
    await node.runner.start(planBoot(node, 'the database was left running'), { source: 'agent' });
  };
};
