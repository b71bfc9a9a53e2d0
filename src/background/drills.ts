import { Refused } from '../domain/errors.js';
import { backoff } from '../engine/retry.js';
import { planDrillCleanUp } from '../operations/drill/drill.js';
import type { Node } from '../operations/node.js';
import { requestDrill } from '../operations/requests.js';

const RETRY_MOST = 300_000;

/** The cron's tick, on a standby only: on a primary, users would feel it, so there a person has to ask. */
export const drillIfStandby = async (node: Node): Promise<void> => {
  if (node.state.current.mode !== 'standby') return;
  try {
    await requestDrill(node, { reason: 'DRILL_CRON' }, { source: 'schedule' });
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    node.log.warn({ code: error.code }, `no drill this time: ${error.message}`);
  }
};

/** Drops what a drill has left that was cut, once nothing else is going on. */
export const createDrillCleanUp = (node: Node): (() => Promise<void>) => {
  let attempts = 0;
  let notBefore = 0;
  return async () => {
    const { drillLeftovers, mode } = node.state.current;
    if (!drillLeftovers) attempts = 0;
    if (!drillLeftovers || mode === 'yielding' || node.runner.current !== undefined) return;
    if (attempts > 0 && node.clock.elapsed() < notBefore) return;
    notBefore = node.clock.elapsed() + backoff(attempts, node.settings.checkInterval, RETRY_MOST);
    attempts += 1;
    await node.runner.start(planDrillCleanUp(node), { source: 'agent' });
  };
};
