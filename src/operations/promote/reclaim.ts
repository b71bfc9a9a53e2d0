import type { PromoteCommand } from '../../domain/commands.js';
import { isError, Refused } from '../../domain/errors.js';
import type { Source } from '../../domain/operation.js';
import type { Plan, Steps } from '../../engine/operation.js';
import { SERVE_STEPS, serve } from '../../serve/serve.js';
import { checkLineage } from '../boot/check-lineage.js';
import type { Node } from '../node.js';
import { commitRole, promotion, reportOutcome } from './commit-role.js';

const STEPS = ['withdraw', 'check-lineage', 'commit-role', ...SERVE_STEPS] as const;

/** A person vouches that the peer is gone: the data is here already, only the promise has to be outbid. */
export const planReclaim = (node: Node, command: PromoteCommand, source: Source): Plan => {
  const epoch = node.leadership.nextEpoch(node.state.current.yielding?.epoch);
  return {
    ...promotion(node),
    reason: command.reason || 'the promise to the other node was taken back by force',
    command: { type: 'promote', source, ...command },
    steps: STEPS,
    reclaims: true,
    run: async (steps: Steps<(typeof STEPS)[number]>) => {
      reportOutcome(steps, epoch);
      await withdraw(node, steps);
      await checkLineage(node, steps);
      await commitRole(node, steps, { epoch, cause: 'reclaimed' });
      await serve(node, steps);
    },
  };
};

/** A promise is only taken back where its holder does not answer, or has given it up: otherwise two would serve. */
const withdraw = (
  { state, peer, leadership }: Pick<Node, 'state' | 'peer' | 'leadership'>,
  steps: Steps<'withdraw'>,
): Promise<void> =>
  steps.step('withdraw', async ({ say }) => {
    const operation = state.current.yielding?.operation ?? '';
    try {
      const record = await peer.cancel(operation);
      // It may have taken over in another operation since, while it could not reach us.
      const hasTakenOver = record.committed || leadership.heardEpoch > state.current.epoch;
      if (!hasTakenOver) return say(`the other node has given up ${operation}`);
    } catch (error) {
      if (!isError(error, 'peer-unreachable')) throw error;
      return say(`the other node cannot be asked: ${error.message}`);
    }
    throw new Refused(
      'superseded',
      `the other node has taken over already, in ${operation} or since`,
      'nothing to do: this node stands down by itself; to have the role back POST /promote {"planned": true}',
      { value: operation },
    );
  });
