import { ColdspareError } from '../domain/errors.js';
import type { Leadership } from '../leadership/leadership.js';
import { isHealthy } from '../ports/probe.js';
import type { NodeState } from '../state/node-state.js';
import type { LocalView } from './local-view.js';

interface Local {
  leadership: Pick<Leadership, 'mayServe'>;
  local: Pick<LocalView, 'app' | 'opened'>;
}

/** Whether this node serves, from its last checks. Cheap enough for a load balancer. */
export const isServing = ({ leadership, local }: Local): boolean =>
  leadership.mayServe() && local.app !== undefined && isHealthy(local.app.value);

/** Whether users may be sent here. An app that ran before this agent asked its peer does not count (H08). */
export const isReady = (node: Local): boolean => isServing(node) && node.local.opened;

/** @throws ColdspareError `not-primary` */
export const assertMayServe = ({
  leadership,
  state,
}: {
  leadership: Pick<Leadership, 'mayServe'>;
  state: Pick<NodeState, 'current'>;
}): void => {
  if (leadership.mayServe()) return;
  const { mode, epoch } = state.current;
  throw new ColdspareError(
    'not-primary',
    `the app may not run here: this node is ${mode} at epoch ${epoch}`,
    'GET /status on both nodes shows who serves',
  );
};
