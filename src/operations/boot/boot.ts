import type { Plan, Steps } from '../../engine/operation.js';
import { stopApp } from '../../serve/app.js';
import { SERVE_STEPS, START_APP_STEPS, serve, startServingApp } from '../../serve/serve.js';
import { assertMayServe } from '../../serve/serving.js';
import { YIELD_STEPS, yieldMachine } from '../accept-fence/accept-fence.js';
import type { Node } from '../node.js';
import { STAND_DOWN_STEPS, standDown } from '../stand-down/stand-down.js';
import { askPeer } from './ask-peer.js';
import { checkLineage } from './check-lineage.js';

/** The reason of `planMissingParts`. */
export const MISSING_PARTS = 'a part of the app does not run';

const PRIMARY_STEPS = ['ask-peer', 'check-lineage', ...SERVE_STEPS] as const;
const RESTART_STEPS = ['ask-peer', 'check-lineage', 'stop-app', ...SERVE_STEPS] as const;

type BootPlan = Pick<Plan, 'steps' | 'run'>;

/**
 * Makes what runs on this machine agree with the role on disk: after a start of the agent, after the peer has
 * set this node free, and when the app of a primary stays down. The role is never inferred from what runs (H19).
 * With `anew`, an app that hangs is stopped before it is started: to a start, it runs.
 */
export const planBoot = (node: Node, reason: string, { anew = false } = {}): Plan => ({
  ...boot(node, reason),
  ...bootOfMode(node, anew),
});

const boot = ({ state }: Pick<Node, 'state'>, reason: string): Omit<Plan, 'steps' | 'run'> => ({
  kind: 'boot',
  reason,
  command: { type: 'boot', mode: state.current.mode },
  isCommitted: () => false,
  isPreemptible: () => true,
});

const bootOfMode = (node: Node, anew: boolean): BootPlan => {
  switch (node.state.current.mode) {
    case 'primary':
      return {
        steps: anew ? RESTART_STEPS : PRIMARY_STEPS,
        run: (steps) => bootPrimary(node, steps, { anew }),
      };
    case 'yielding':
      return { steps: YIELD_STEPS, run: (steps) => yieldMachine(node, steps) };
    case 'standby':
      return { steps: STAND_DOWN_STEPS, run: (steps) => standDown(node, steps) };
  }
};

/** Also what is left to do of a promote that was cut after its commit. */
export const bootPrimary = async (
  node: Node,
  steps: Steps<(typeof RESTART_STEPS)[number]>,
  { anew = false } = {},
): Promise<void> => {
  await askPeer(node, steps);
  await checkLineage(node, steps);
  if (anew) await steps.step('stop-app', ({ signal }) => stopApp(node, signal));
  await serve(node, steps);
};

/** The peer has ended the operation we had yielded to without taking over: the role is ours as before. */
export const planResume = (node: Node): Plan => ({
  ...boot(node, `the other node did not take over in ${node.state.current.yielding?.operation}`),
  steps: ['resume', ...PRIMARY_STEPS],
  run: async (steps) => {
    await steps.step('resume', async () => {
      await node.leadership.takeBack();
      assertMayServe(node);
    });
    await bootPrimary(node, steps);
  },
});

/** Some part of an app that answers does not run, such as a worker. What runs is left alone, so nobody has to be asked. */
export const planMissingParts = (node: Node): Plan => ({
  ...boot(node, MISSING_PARTS),
  steps: START_APP_STEPS,
  run: (steps) => startServingApp(node, steps),
});

/**
 * The database of an app that goes on answering does not. The peer was asked before this app was vouched for; asked again,
 * one that is away would only keep the database from being started.
 */
export const planDatabaseAgain = (node: Node): Plan => ({
  ...boot(node, 'the database does not answer'),
  steps: ['check-lineage', ...SERVE_STEPS],
  run: async (steps) => {
    await checkLineage(node, steps);
    await serve(node, steps);
  },
});
