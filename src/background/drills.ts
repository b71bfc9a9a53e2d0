import { Refused } from '../domain/errors.js';
import { createBackoff } from '../engine/retry.js';
import { request } from '../operations/commands.js';
import { planDrillCleanUp } from '../operations/drill/drill.js';
import type { Node } from '../operations/node.js';

const RETRY_MOST = 300_000;

/** The cron's tick, on a standby only: on a primary, users would feel it, so there a person has to ask. */
export const drillIfStandby = async (node: Node): Promise<void> => {
  if (node.state.current.mode !== 'standby') return;
  try {
    await request(node, 'drill', { reason: 'DRILL_CRON' }, { source: 'schedule' });
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    node.log.warn({ code: error.code }, `no drill this time: ${error.message}`);
  }
};

/** Drops what a drill has left that was cut, once nothing else is going on. */
export const createDrillCleanUp = (node: Node): (() => Promise<void>) => {
  const pause = createBackoff(node.clock, {
    first: node.settings.checkInterval,
    most: RETRY_MOST,
  });
  return async () => {
    const { drillLeftovers, mode } = node.state.current;
    if (!drillLeftovers) return pause.reset();
    if (mode === 'yielding' || node.runner.current !== undefined || !pause.isDue()) return;
    pause.tried();
    await node.runner.start(planDrillCleanUp(node), { source: 'agent' });
  };
};
