import { isError } from '../../domain/errors.js';
import type { Plan, Steps } from '../../engine/operation.js';
import { stopApp } from '../../serve/app.js';
import type { Node } from '../node.js';

/** The names of the steps of `standDown`. */
export const standDownSteps = ({ replication }: Pick<Node, 'replication'>): string[] => [
  'stop-app',
  'set-aside',
  ...replication.steps.standBy,
];

export type StandDownNode = Pick<Node, 'state' | 'stack' | 'replication' | 'clock' | 'local'>;

/** Gives up the role for good: stops the app, sets the database aside if it may hold writes of its own, and stops it. */
export const planStandDown = (node: StandDownNode): Plan => ({
  kind: 'stand-down',
  reason: `superseded at epoch ${node.state.current.epoch}`,
  command: { type: 'stand-down' },
  steps: standDownSteps(node),
  run: (steps) => standDown(node, steps),
  isCommitted: () => true,
});

/** A standby runs no app, and no database that takes writes. Data that only this node has is set aside. */
export const standDown = async (node: StandDownNode, steps: Steps): Promise<void> => {
  await steps.step('stop-app', ({ signal }) => stopApp(node, signal));
  await steps.step('set-aside', async ({ signal, say }) => {
    const detail = await node.replication.rejoin(signal);
    if (detail !== undefined) say(detail);
  });
  await node.replication.standBy(steps);
};

/** Starts a stand-down when it is due. If another operation runs, the guard tries again later. */
export const standDownIfDue = async (node: StandDownNode & Pick<Node, 'runner'>): Promise<void> => {
  if (node.state.current.standDown === null) return;
  try {
    await node.runner.start(planStandDown(node), { source: 'agent' });
  } catch (error) {
    if (!isError(error, 'busy')) throw error;
  }
};
