import type { PromoteCommand } from '../../domain/commands.js';
import { isError, Refused } from '../../domain/errors.js';
import type { Source } from '../../domain/operation.js';
import type { Plan, Steps } from '../../engine/operation.js';
import { SERVE_STEPS, serve } from '../../serve/serve.js';
import type { Booter } from '../boot/boot.js';
import { checkLineage } from '../boot/check-lineage.js';
import type { Node } from '../node.js';
import { commitRole, promotion, reportOutcome } from './commit-role.js';

const STEPS = ['withdraw', 'check-lineage', 'commit-role', ...SERVE_STEPS] as const;

/** Takes the role back on a yielding node, because a person says that the peer is gone. The data is here already. */
export const planReclaim = (
  node: Omit<Booter, 'replication'> & Pick<Node, 'notifier'>,
  command: PromoteCommand,
  source: Source,
): Plan => {
  // A node that has lost its state does not know which epochs it has had. Its database does.
  const marked = node.local.database?.value.marker?.epoch ?? 0;
  const { yielding } = node.state.current;
  const epoch = node.leadership.nextEpoch(Math.max(yielding?.epoch ?? 0, marked));
  return {
    ...promotion(node),
    reason: command.reason || 'the role was taken back by force',
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

/** Only if the peer does not answer or cancels its operation: otherwise both nodes would serve. */
const withdraw = (
  { state, peer, leadership }: Pick<Node, 'state' | 'peer' | 'leadership'>,
  steps: Steps<'withdraw'>,
): Promise<void> =>
  steps.step('withdraw', async ({ say }) => {
    const operation = state.current.yielding?.operation ?? '';
    try {
      const record = await peer.cancel(operation);
      // It may have taken over in another operation since, without reaching us.
      const hasTakenOver = record.committed || leadership.heardEpoch > state.current.epoch;
      if (!hasTakenOver) return say(`the other node has cancelled ${operation}`);
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
