import { isError } from '../../domain/errors.js';
import type { Plan, Steps } from '../../engine/operation.js';
import { stopApp } from '../../serve/app.js';
import type { Node } from '../node.js';

export const STAND_DOWN_STEPS = ['stop-app', 'set-aside', 'stop-database'] as const;

type Loser = Pick<Node, 'state' | 'stack' | 'replication' | 'clock' | 'local'>;

/** Leaves the role for good: the app at once, then the database, whose unknown writes are kept aside. */
export const planStandDown = (node: Loser): Plan => ({
  kind: 'stand-down',
  reason: `superseded at epoch ${node.state.current.epoch}`,
  command: { type: 'stand-down' },
  steps: STAND_DOWN_STEPS,
  run: (steps) => standDown(node, steps),
  isCommitted: () => true,
});

/** What a standby does with its machine: no app, no database, and what nobody else has kept aside. */
export const standDown = async (
  node: Loser,
  steps: Steps<(typeof STAND_DOWN_STEPS)[number]>,
): Promise<void> => {
  await steps.step('stop-app', ({ signal }) => stopApp(node, signal));
  await steps.step('set-aside', async ({ signal, say }) => {
    const detail = await node.replication.rejoin(signal);
    if (detail !== undefined) say(detail);
  });
  await steps.step('stop-database', ({ signal }) => node.stack.database.stop(signal));
};

/** Starts standing down when it is due; when another operation is in the way, the guard asks again. */
export const standDownIfDue = async (node: Loser & Pick<Node, 'runner'>): Promise<void> => {
  if (node.state.current.standDown === null) return;
  try {
    await node.runner.start(planStandDown(node), { source: 'agent' });
  } catch (error) {
    if (!isError(error, 'busy')) throw error;
  }
};
