import { type Booter, planBoot } from '../operations/boot/boot.js';
import type { Node } from '../operations/node.js';
import { forgetIfGone } from '../replication/dumps/start-database.js';
import { activePause } from '../status/node-status.js';
import { createRestartBackoff } from './restart-backoff.js';

/** Milliseconds that a standby's database may run unused. For a longer look into it by hand, pause the agent. */
const MAX_IDLE_TIME = 600_000;

/**
 * Stops the database of a standby when no operation needs it. `docker compose up` by hand starts it together with the
 * app. The app may exit at once because the database takes no writes, and then the guard never sees it. Its volume may be
 * another one by then.
 */
export const createIdleDatabaseWatch = (
  node: Booter & Pick<Node, 'runner'>,
): (() => Promise<void>) => {
  const backoff = createRestartBackoff(node.clock, { first: MAX_IDLE_TIME, most: MAX_IDLE_TIME });
  return async () => {
    const isStopped = node.local.database?.value.answers !== true;
    const isNeeded =
      node.state.current.mode !== 'standby' ||
      node.runner.current !== undefined ||
      node.replication.keepsDatabase?.() === true ||
      activePause(node) !== null;
    if (!isStopped && !isNeeded) await forgetIfGone(node);
    if (!backoff.isDue(isStopped ? 'fine' : isNeeded ? 'excused' : 'wrong')) return;
    node.log.warn({}, 'the database of a standby was left running: it is stopped');
    await node.runner.start(planBoot(node, 'the database was left running'), { source: 'agent' });
  };
};
