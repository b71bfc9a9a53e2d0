import { ColdspareError, isError } from '../../domain/errors.js';
import { recheckTimeout } from '../../domain/recheck-timeout.js';
import type { Step } from '../../engine/plan.js';
import type { Node } from '../node.js';
import type { Fencing } from './fencing.js';

/**
 * Between a fence that could not be delivered and the commit lie the minutes or hours of the restore, and the link may
 * have healed meanwhile. An old primary that answers by now is asked everything again, from the first step on: it
 * may be serving after all, or can be fenced, and its last writes rescued. Only once, so that the operation ends.
 * After a restore that took no time, there is no long wait for what was waited for a moment ago.
 */
export const fenceAgainStep = (node: Node, fencing: Fencing): Step => {
  let wasTried = false;
  return {
    name: 'fence-again',
    run: async ({ signal }) => {
      if (fencing.outcome !== 'unreachable') return undefined;
      const patience = recheckTimeout(node.clock.elapsed() - fencing.triedAt);
      if (!(await answersAgain(node, patience, signal))) return 'it still cannot be reached';
      // What was seen of it before is past.
      node.observed.look = undefined;
      throw new ColdspareError(
        'peer-is-back',
        'the old primary could not be fenced before, and can be reached by now: nothing was committed',
        'look at GET /status of both nodes; where the primary does not serve, POST /promote again',
      );
    },
    otherwise: (error) => {
      if (wasTried || !isError(error, 'peer-is-back')) return undefined;
      wasTried = true;
      return 'confirm';
    },
  };
};

/** Whether its agent answers, be it with a refusal, or its machine lets us in, in time. Changes nothing there. */
const answersAgain = async (
  { peer, machine, clock }: Node,
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
