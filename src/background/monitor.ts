import { isInTheWay } from '../domain/operation.js';
import { createBackoff } from '../engine/retry.js';
import type { Node } from '../operations/node.js';
import { probePeer } from '../peer/probe-peer.js';
import { createMendedLook } from '../serve/app.js';
import { activePause } from '../status/node-status.js';
import { requestOrLog } from './request.js';

const RETRY_FIRST = 15_000;
const RETRY_MOST = 300_000;

/**
 * A standby's own checks of the primary. FAIL_THRESHOLD failed checks in a row request a promote, as a webhook would. A
 * promote that failed is requested again, with growing pauses.
 */
export const createMonitor = (node: Node): (() => Promise<void>) => {
  let failures = 0;
  let lastViews = '';
  const pause = createBackoff(node.clock, { first: RETRY_FIRST, most: RETRY_MOST });
  node.runner.onEnd(({ source, error }) => {
    if (source !== 'monitor' || error?.code !== 'primary-busy') return;
    // The primary was restarting its app, with pauses that grow like ours. Without a reset we would always find it busy.
    pause.reset(RETRY_FIRST);
  });
  const canStartAgain = createMendedLook(node.local);
  return async () => {
    if (canStartAgain()) pause.reset();
    const probe = await probePeer(node);
    if (node.state.current.mode !== 'standby' || probe.serves) {
      failures = 0;
      node.peerView.lost = undefined;
      // The next outage is a new one: it does not wait for earlier failed promotes.
      return pause.reset();
    }
    failures += 1;
    const views = JSON.stringify(probe.views);
    // Another outage than the one for which the pauses have grown, such as an agent that is gone now.
    if (views !== lastViews) pause.within(RETRY_FIRST);
    lastViews = views;
    const { monitor, failThreshold } = node.settings;
    if (failures < failThreshold) return;
    const reason = `${failures} checks failed: ${probe.summary}`;
    node.peerView.lost = reason;
    const isDue = monitor === 'on' && pause.isDue();
    if (!isDue || isInTheWay(node.runner.current) || activePause(node) !== null) return;
    node.log.warn({ failures, probe: probe.summary }, 'the primary does not serve');
    pause.tried();
    const command = { force: false, planned: false, dryRun: false, reason };
    await requestOrLog(node, 'promote', command, { source: 'monitor', evidence: probe });
  };
};
