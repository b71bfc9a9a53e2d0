import { createBackoff } from '../engine/retry.js';
import { planDrillCleanUp } from '../operations/drill/drill.js';
import type { Node } from '../operations/node.js';
import { requestOrLog } from './request.js';

const RETRY_MOST = 300_000;

/** Runs at each tick of DRILL_CRON, on a standby only. A drill slows a primary down, so there a person has to ask for it. */
export const drillIfStandby = async (node: Node): Promise<void> => {
  // Beside a replica nothing can be restored.
  if (node.state.current.mode !== 'standby' || node.replication.keepsDatabase?.()) return;
  await requestOrLog(node, 'drill', { reason: 'DRILL_CRON' }, { source: 'schedule' });
};

/** Removes what an interrupted drill left behind, once no operation runs. */
export const createDrillCleanUp = (
  node: Pick<
    Node,
    'settings' | 'state' | 'stack' | 'leadership' | 'replication' | 'runner' | 'clock'
  >,
): (() => Promise<void>) => {
  const pause = createBackoff(node.clock, {
    first: node.settings.checkInterval,
    most: RETRY_MOST,
  });
  return async () => {
    const { drillLeftovers, mode } = node.state.current;
    if (!drillLeftovers) return pause.reset();
    if (mode === 'yielding' || node.replication.keepsDatabase?.()) return;
    if (node.runner.current !== undefined || !pause.isDue()) return;
    pause.tried();
    await node.runner.start(planDrillCleanUp(node), { source: 'agent' });
  };
};
