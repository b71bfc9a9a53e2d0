import type { ConditionCode } from '../domain/conditions/conditions.js';
import { formatDuration } from '../domain/format.js';
import { isInTheWay } from '../domain/operation.js';
import { backoff } from '../engine/retry.js';
import type { Node } from '../operations/node.js';
import { peerStatus } from '../peer/peer-view.js';
import { isServing } from '../serve/serving.js';
import { activePause } from '../status/node-status.js';
import { requestOrLog } from './request.js';

const DAY = 86_400_000;
const LONGEST_WAIT = 3_600_000;

/**
 * Gives the role back after an unplanned takeover, once the returned node has been a ready standby for FAILBACK_STABLE.
 * Goes only by this node's own view of it, never by an UP webhook (T25). Every failover of the last day and every
 * failed failback doubles the wait, so that a faulty node does not flap (H20).
 */
export const createFailback = (node: Node): (() => Promise<void>) => {
  let readySince: number | undefined;
  let failures = 0;
  return async () => {
    const { failbackDue } = node.state.current;
    // The last failback succeeded: its failures do not count against the next one.
    if (!failbackDue) failures = 0;
    const isWanted = node.settings.failback === 'auto' && failbackDue && isServing(node);
    if (!isWanted || activePause(node) !== null || !peerIsReady(node)) {
      readySince = undefined;
      return;
    }
    readySince ??= node.clock.elapsed();
    const needed = stablePeriod(node, failures);
    // A backup of ours only delays the failback: it does not restart the stable period.
    if (node.clock.elapsed() - readySince < needed || isInTheWay(node.runner.current)) return;
    readySince = undefined;
    failures += 1;
    const reason = `the other node is back and has been stable for ${formatDuration(needed)}`;
    await requestOrLog(node, 'demote', { reason, dryRun: false }, { source: 'failback' });
  };
};

/** How long the returned node must have been ready, in milliseconds. */
const stablePeriod = (
  node: Pick<Node, 'settings' | 'state' | 'clock'>,
  failures: number,
): number => {
  const recent = node.state.current.failovers.filter(
    (at) => node.clock.now() - Date.parse(at) < DAY,
  );
  return backoff(
    Math.max(0, recent.length - 1) + failures,
    node.settings.failbackStable,
    LONGEST_WAIT,
  );
};

/** With these problems the handover would fail at the peer, after an outage for its dump and its restore. */
const CANNOT_RESTORE: readonly ConditionCode[] = ['no-room', 'backup-unusable', 'standing-down'];

const peerIsReady = (node: Pick<Node, 'state' | 'peerView'>): boolean => {
  const peer = peerStatus(node.peerView);
  return (
    peer?.mode === 'standby' &&
    !isInTheWay(peer.operation) &&
    peer.epoch === node.state.current.epoch &&
    !CANNOT_RESTORE.some((code) => peer.problems.includes(code))
  );
};
