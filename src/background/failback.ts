import { handoverObstacle } from '../domain/conditions/conditions.js';
import { formatCount, formatDuration } from '../domain/format.js';
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
  const waits = (because: string, at: number | null = null): void => {
    node.local.failback = { at, because };
  };
  return async () => {
    const { failbackDue } = node.state.current;
    // The last failback succeeded: its failures do not count against the next one.
    if (!failbackDue) failures = 0;
    node.local.failback = undefined;
    const why = failbackDue ? whyNotYet(node) : 'it is not due';
    if (why !== undefined) {
      readySince = undefined;
      if (failbackDue) waits(why);
      return;
    }
    readySince ??= node.clock.elapsed();
    const needed = stablePeriod(node, failures);
    const left = needed - (node.clock.elapsed() - readySince);
    if (left > 0) return waits(sayStable(node, needed, failures), node.clock.now() + left);
    // A backup of ours only delays the failback: it does not restart the stable period.
    if (isInTheWay(node.runner.current)) return waits('another operation has to end first');
    readySince = undefined;
    failures += 1;
    const reason = `the other node is back and has been stable for ${formatDuration(needed)}`;
    await requestOrLog(node, 'demote', { reason, dryRun: false }, { source: 'failback' });
  };
};

/** Undefined when only time is missing. */
const whyNotYet = (node: Node): string | undefined => {
  if (node.settings.failback !== 'auto') return 'FAILBACK=manual: a person gives it back';
  if (!isServing(node)) return 'this server does not serve';
  if (activePause(node) !== null) return 'failback is paused';
  return whyPeerIsNotReady(node);
};

/** How long the returned node must have been ready, in milliseconds. */
const stablePeriod = (
  node: Pick<Node, 'settings' | 'state' | 'clock'>,
  failures: number,
): number => {
  const doublings = Math.max(0, recentFailovers(node) - 1) + failures;
  return backoff(doublings, node.settings.failbackStable, LONGEST_WAIT);
};

const recentFailovers = ({ state, clock }: Pick<Node, 'state' | 'clock'>): number =>
  state.current.failovers.filter((at) => clock.now() - Date.parse(at) < DAY).length;

const sayStable = (
  node: Pick<Node, 'settings' | 'state' | 'clock'>,
  needed: number,
  failures: number,
): string => {
  const failovers = recentFailovers(node);
  const doubled = [
    ...(failovers > 1 ? [`${failovers} failovers within a day`] : []),
    ...(failures > 0 ? [formatCount(failures, 'failed failback')] : []),
  ];
  const why = doubled.length === 0 ? '' : `, doubled for ${doubled.join(' and ')}`;
  return `the other server has to be ready for ${formatDuration(needed)} (FAILBACK_STABLE${why})`;
};

/** Undefined when a handover to it can work, by what was seen of it last. */
export const whyPeerIsNotReady = (
  node: Pick<Node, 'state' | 'peerView' | 'replication'>,
): string | undefined => {
  const peer = peerStatus(node.peerView);
  if (peer === undefined) return 'the other server does not answer';
  if (peer.mode !== 'standby') return `the other server is ${peer.mode}`;
  if (peer.epoch !== node.state.current.epoch)
    return 'the other server has not heard of this epoch yet';
  if (isInTheWay(peer.operation)) return `the other server runs a ${peer.operation?.kind}`;
  // One that cannot stream gets the role by a dump. One that is about to is worth waiting for.
  const { state, broken } = peer.replication ?? {};
  if (node.replication.status !== undefined && state !== 'streaming' && broken === null)
    return 'the other server is not a replica yet';
  const problem = handoverObstacle(peer.problems);
  return problem && `the other server says ${problem}`;
};
