import { ColdspareError, isError, Refused } from '../../domain/errors.js';
import { recheckTimeout } from '../../domain/recheck-timeout.js';
import type { Steps } from '../../engine/operation.js';
import { probeWitness } from '../../peer/probe-peer.js';
import type { Node } from '../node.js';
import type { Fenced } from './fenced.js';

/**
 * Tries once more to reach an old primary that could not be fenced. The restore may have taken hours, and the link may
 * work again. A primary that answers now may be serving, or can be fenced and its last writes rescued, so the takeover
 * starts over. The wait grows with the time since the fence. The witness is asked last, right before the commit: the old
 * primary may serve the users again though this node cannot reach it (H38).
 * @throws ColdspareError `peer-is-back`, Refused `primary-healthy`
 */
export const assertStillUnreachable = (
  node: Pick<Node, 'settings' | 'state' | 'peer' | 'machine' | 'probe' | 'clock'>,
  steps: Steps<'fence-again'>,
  fenced: Fenced,
  force: boolean,
): Promise<void> =>
  steps.step('fence-again', async ({ signal, say }) => {
    if (fenced.outcome !== 'unreachable') return;
    const timeout = recheckTimeout(node.clock.elapsed() - fenced.triedAt);
    if (await isReachable(node, timeout, signal)) {
      throw new ColdspareError(
        'peer-is-back',
        'the old primary could not be fenced before, but can be reached now: nothing was committed',
        'compare GET /status of both nodes; if the primary does not serve, POST /promote again',
      );
    }
    if (!force) await assertNotServed(node);
    say('it still cannot be reached');
  });

const assertNotServed = async (node: Pick<Node, 'settings' | 'state' | 'probe'>): Promise<void> => {
  const { view, summary } = await probeWitness(node);
  if (view !== 'serves') return;
  throw new Refused(
    'primary-healthy',
    `the users are served again (${summary}), so the old primary is back though this node cannot reach it: nothing was committed`,
    'mend the link between the servers; to take over regardless POST /promote {"force": true}',
  );
};

/** Whether its agent answers, even with a refusal, or its machine accepts a login within `timeout`. Changes nothing there. */
const isReachable = async (
  { peer, machine, clock }: Pick<Node, 'peer' | 'machine' | 'clock'>,
  timeout: number,
  signal: AbortSignal,
): Promise<boolean> => {
  const giveUp = new AbortController();
  const either = AbortSignal.any([signal, giveUp.signal]);
  const agent = peer.status().catch((error: unknown) => {
    if (isError(error, 'peer-unreachable')) throw error;
  });
  const attempts = [
    agent,
    ...(machine === undefined ? [] : [machine.reach(either, async () => {})]),
  ];
  const answers = Promise.any(attempts).then(
    () => true,
    () => false,
  );
  const tooLate = clock.sleep(timeout, either).then(
    () => false,
    () => false,
  );
  const isReached = await Promise.race([answers, tooLate]);
  giveUp.abort();
  signal.throwIfAborted();
  return isReached;
};
