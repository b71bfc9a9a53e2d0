import { Refused } from '../domain/errors.js';
import { isInTheWay } from '../domain/operation.js';
import { backoff } from '../engine/retry.js';
import type { Node } from '../operations/node.js';
import { requestPromote } from '../operations/requests.js';
import { probePeer } from '../peer/probe-peer.js';
import { activePause } from '../status/node-status.js';

const RETRY_FIRST = 15_000;
const RETRY_MOST = 300_000;

/**
 * A standby's own checks of the primary. Enough failed ones in a row ask for a promote, as a webhook would; one
 * that came to nothing is asked for again with growing pauses.
 */
export const createMonitor = (node: Node): (() => Promise<void>) => {
  let failures = 0;
  let attempts = 0;
  let notBefore = 0;
  node.runner.onEnd(({ source, error }) => {
    if (source !== 'monitor' || error?.code !== 'primary-busy') return;
    // The primary was starting its app again. It waits longer each time, as we do: in step with it we would find it busy
    // for ever.
    attempts = 0;
    notBefore = node.clock.elapsed() + RETRY_FIRST;
  });
  return async () => {
    const look = await probePeer(node);
    if (node.state.current.mode !== 'standby' || look.serves) {
      failures = 0;
      attempts = 0;
      // The next outage is a new one, and does not wait for what came to nothing before.
      notBefore = 0;
      return;
    }
    failures += 1;
    const { monitor, failThreshold } = node.settings;
    const isDue = failures >= failThreshold && node.clock.elapsed() >= notBefore;
    if (
      monitor === 'off' ||
      !isDue ||
      isInTheWay(node.runner.current) ||
      activePause(node) !== null
    )
      return;
    node.log.warn({ failures, look: look.summary }, 'the primary does not serve');
    notBefore = node.clock.elapsed() + backoff(attempts, RETRY_FIRST, RETRY_MOST);
    attempts += 1;
    const reason = `${failures} checks failed: ${look.summary}`;
    try {
      const command = { force: false, planned: false, dryRun: false, reason };
      await requestPromote(node, command, { source: 'monitor' });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      node.log.warn({ code: error.code }, error.message);
    }
  };
};
