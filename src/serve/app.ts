import { ColdspareError } from '../domain/errors.js';
import { formatDuration } from '../domain/format.js';
import type { Marker } from '../domain/marker.js';
import { pollUntil } from '../engine/retry.js';
import type { Leadership } from '../leadership/leadership.js';
import type { Clock } from '../ports/clock.js';
import { formatProbe, isHealthy, type ProbeResult } from '../ports/probe.js';
import type { Stack } from '../ports/stack.js';
import type { NodeState } from '../state/node-state.js';
import type { LocalView } from './local-view.js';
import { assertMayServe } from './serving.js';

const POLL_PAUSE = 100;

interface Observer {
  clock: Clock;
  local: LocalView;
}

type Stoppable = Observer & { stack: Pick<Stack, 'app'> };

export const noteApp = ({ clock, local }: Observer, value: ProbeResult): void => {
  local.app = { value, at: clock.now() };
};

export const noteDatabase = (
  { clock, local }: Observer,
  value: { answers: boolean; marker: Marker | undefined },
): void => {
  local.database = { value, at: clock.now() };
};

/** Stops the app. Records first that it does not answer, so that load balancers are not sent to an app that is stopping. */
export const stopApp = async (node: Stoppable, signal: AbortSignal): Promise<void> => {
  noteApp(node, { outcome: 'refuses', detail: 'stopped by the agent' });
  await node.stack.app.stop(signal);
};

/** Starts the app, and stops it again if this node lost its role meanwhile. @throws ColdspareError `not-primary` */
export const startApp = async (
  node: Stoppable & { state: NodeState; leadership: Leadership },
  signal: AbortSignal,
): Promise<void> => {
  await node.stack.app.start(signal);
  if (node.state.current.mode === 'primary') return;
  await stopApp(node, signal);
  assertMayServe(node);
};

/** Resolves once the app answers. @throws ColdspareError `app-failed` after APP_START_TIMEOUT */
export const waitForApp = async (
  node: Stoppable & { settings: { appStartTimeout: number } },
  signal: AbortSignal,
): Promise<void> => {
  const { appStartTimeout } = node.settings;
  let last: ProbeResult | undefined;
  const ask = async () => {
    last = await node.stack.app.check();
    noteApp(node, last);
    return isHealthy(last) ? last : undefined;
  };
  const wait = { timeout: appStartTimeout, pause: POLL_PAUSE, what: 'the app answers' };
  await pollUntil({ clock: node.clock, signal }, wait, ask).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw new ColdspareError(
      'app-failed',
      `the app was started but does not answer at APP_HEALTH_URL after ${formatDuration(appStartTimeout)}: it ${last === undefined ? 'was not asked' : formatProbe(last)}`,
      "this node stays primary and starts the app again by itself; read the app's own log",
      { cause },
    );
  });
};
