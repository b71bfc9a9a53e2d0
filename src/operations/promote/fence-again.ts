import { ColdspareError, isError } from '../../domain/errors.js';
import { recheckTimeout } from '../../domain/recheck-timeout.js';
import type { Steps } from '../../engine/operation.js';
import type { Node } from '../node.js';
import type { Fenced } from './fenced.js';

/**
 * Between a fence that could not be delivered and the commit lie the minutes or hours of the restore, and the link may
 * have healed meanwhile. An old primary that answers by now has to be asked everything again: it may be serving after
 * all, or can be fenced, and its last writes rescued. After a restore that took no time, there is no long wait for what
 * was waited for a moment ago.
 * @throws ColdspareError `peer-is-back`
 */
export const assertStillUnreachable = (
  node: Pick<Node, 'peer' | 'machine' | 'clock'>,
  steps: Steps<'fence-again'>,
  fenced: Fenced,
): Promise<void> =>
  steps.step('fence-again', async ({ signal, say }) => {
    if (fenced.outcome !== 'unreachable') return;
    const patience = recheckTimeout(node.clock.elapsed() - fenced.triedAt);
    if (!(await isReachable(node, patience, signal))) return say('it still cannot be reached');
    throw new ColdspareError(
      'peer-is-back',
      'the old primary could not be fenced before, and can be reached by now: nothing was committed',
      'look at GET /status of both nodes; where the primary does not serve, POST /promote again',
    );
  });

/** Whether its agent answers, be it with a refusal, or its machine lets us in, in time. Changes nothing there. */
const isReachable = async (
  { peer, machine, clock }: Pick<Node, 'peer' | 'machine' | 'clock'>,
  patience: number,
  signal: AbortSignal,
): Promise<boolean> => {
  const giveUp = new AbortController();
  const either = AbortSignal.any([signal, giveUp.signal]);
  const agent = peer.status().catch((error: unknown) => {
    if (isError(error, 'peer-unreachable')) throw error;
  });
  const ways = [agent, ...(machine === undefined ? [] : [machine.reach(either, async () => {})])];
  const answers = Promise.any(ways).then(
    () => true,
    () => false,
  );
  const tooLate = clock.sleep(patience, either).then(
    () => false,
    () => false,
  );
  const isBack = await Promise.race([answers, tooLate]);
  giveUp.abort();
  signal.throwIfAborted();
  return isBack;
};
