import type { Plan, StepContext, Steps } from '../../engine/operation.js';
import { isHealthy } from '../../ports/probe.js';
import { stopApp } from '../../serve/app.js';
import { SERVE_STEPS, START_APP_STEPS, serve, startServingApp } from '../../serve/serve.js';
import { assertMayServe } from '../../serve/serving.js';
import { YIELD_STEPS, yieldMachine } from '../accept-fence/accept-fence.js';
import type { Node } from '../node.js';
import { standDown, standDownSteps } from '../stand-down/stand-down.js';
import { askPeer } from './ask-peer.js';
import { checkLineage } from './check-lineage.js';

/** Why an agent starts again what has served before: the reasons of those boots. */
export const RESTART_REASONS = {
  exited: 'the app has exited',
  silent: 'the app does not answer',
  parts: 'a part of the app does not run',
  database: 'the database does not answer',
};

export const PRIMARY_STEPS = ['ask-peer', 'check-lineage', ...SERVE_STEPS] as const;
const RESTART_STEPS = ['ask-peer', 'check-lineage', 'stop-app', ...SERVE_STEPS] as const;

/** What a boot acts through. */
export type Booter = Pick<
  Node,
  | ('settings' | 'state' | 'leadership' | 'replication' | 'stack' | 'local')
  | ('peer' | 'peerView' | 'probe' | 'disk' | 'clock' | 'ids' | 'log' | 'notifier')
>;

type BootPlan = Pick<Plan, 'steps' | 'run'>;

/**
 * Makes what runs on this machine match the role on disk: after a start of the agent, and when the app of a primary
 * stays down. The role is never inferred from what runs (H19). With `stopFirst` the app is stopped before it is
 * started: a hung app counts as running.
 */
export const planBoot = (node: Booter, reason: string, { stopFirst = false } = {}): Plan => ({
  ...bootBase(node, reason),
  ...bootOfMode(node, stopFirst),
});

export const bootBase = (
  { state }: Pick<Node, 'state'>,
  reason: string,
): Omit<Plan, 'steps' | 'run'> => ({
  kind: 'boot',
  reason,
  command: { type: 'boot', mode: state.current.mode },
  isCommitted: () => false,
  isPreemptible: () => true,
});

const bootOfMode = (node: Booter, stopFirst: boolean): BootPlan => {
  switch (node.state.current.mode) {
    case 'primary':
      return {
        steps: stopFirst ? RESTART_STEPS : PRIMARY_STEPS,
        run: (steps) => bootPrimary(node, steps, { stopFirst }),
      };
    case 'yielding':
      return { steps: YIELD_STEPS, run: (steps) => yieldMachine(node, steps) };
    case 'standby':
      return { steps: standDownSteps(node), run: (steps) => standDown(node, steps) };
  }
};

/** Also the rest of a promote that was interrupted after its commit. */
export const bootPrimary = async (
  node: Omit<Booter, 'replication'>,
  steps: Steps<(typeof RESTART_STEPS)[number]>,
  { stopFirst = false } = {},
): Promise<void> => {
  await askPeer(node, steps);
  await checkLineage(node, steps);
  if (stopFirst) await steps.step('stop-app', (context) => stopHungApp(node, context));
  await serve(node, steps);
};

/** Looks at it once more: what kept it, such as a database without a free connection, may be over by now. */
const stopHungApp = async (
  node: Pick<Node, 'stack' | 'clock' | 'local'>,
  { signal, say }: StepContext,
): Promise<void> => {
  if (isHealthy(await node.stack.app.check())) return say('it answers, and is left alone');
  await stopApp(node, signal);
};

/** The peer did not take over: this node serves again in its old epoch. */
export const planResume = (node: Booter): Plan => ({
  ...bootBase(
    node,
    `the other node did not take over in ${node.state.current.yielding?.operation}`,
  ),
  steps: ['resume', ...PRIMARY_STEPS],
  run: async (steps) => {
    await steps.step('resume', async () => {
      await node.leadership.takeBack();
      assertMayServe(node);
    });
    await bootPrimary(node, steps);
  },
});

/** Starts parts that do not run, such as a worker, while the app answers. It serves already, so the peer is not asked. */
export const planMissingParts = (node: Booter): Plan => ({
  ...bootBase(node, RESTART_REASONS.parts),
  steps: START_APP_STEPS,
  run: (steps) => startServingApp(node, steps),
});

/**
 * Restarts the database while the app still answers. The peer was asked when this app was started. Asking again would
 * only delay the database while the peer is away.
 */
export const planDatabaseRestart = (node: Booter): Plan => ({
  ...bootBase(node, RESTART_REASONS.database),
  steps: ['check-lineage', ...SERVE_STEPS],
  run: async (steps) => {
    await checkLineage(node, steps);
    await serve(node, steps);
  },
});
