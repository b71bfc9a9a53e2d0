import { createBackoff } from '../engine/retry.js';
import type { Node } from '../operations/node.js';
import { isServing } from '../serve/serving.js';
import { activePause } from '../status/node-status.js';
import { whyPeerIsNotReady } from './failback.js';
import { requestOrLog } from './request.js';

const RETRY_MOST = 300_000;

/**
 * Gives the role back when a handover brought it here and the app does not start: the other node served until then, and
 * nothing was written since. If the other node could not serve either, the role stays: it would go to and fro for ever.
 */
export const createHandBack = (node: Node): (() => Promise<void>) => {
  const pause = createBackoff(node.clock, { first: node.settings.checkInterval, most: RETRY_MOST });
  return async () => {
    const why = failedTakeOver(node);
    if (why === undefined) return pause.reset();
    if (isServing(node) || activePause(node) !== null || node.runner.current !== undefined) return;
    if (whyPeerIsNotReady(node) !== undefined || !pause.isDue()) return;
    pause.tried();
    const reason = `the app does not start here, and did on the other node: ${why}`;
    await requestOrLog(node, 'demote', { reason, dryRun: false }, { source: 'agent' });
  };
};

/** Why the app has not answered since a handover brought the role here; undefined when that is not so. */
const failedTakeOver = ({ state, runner }: Pick<Node, 'state' | 'runner'>): string | undefined => {
  const { mode, promotion } = state.current;
  const taken = promotion === null ? undefined : runner.get(promotion.operation);
  if (mode !== 'primary' || taken?.command.type !== 'take-over' || taken.state !== 'failed')
    return undefined;
  const since = runner.list().filter(({ startedAt }) => startedAt > taken.startedAt);
  const hasServed = since.some(({ kind, state }) => kind === 'boot' && state === 'done');
  const changes = runner
    .list()
    .filter(({ kind, committed }) => committed && (kind === 'handover' || kind === 'promote'));
  // The change of role before this one: the node that gave the role has got it back because the other app did not start.
  const before = changes.find(({ startedAt }) => startedAt < taken.startedAt);
  const hasComeBack = before?.kind === 'handover' && before.state === 'failed';
  return hasServed || hasComeBack ? undefined : taken.error?.message;
};
