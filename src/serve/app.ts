import { ColdspareError, isError, toColdspareError } from '../domain/errors.js';
import { formatDuration } from '../domain/format.js';
import type { Marker } from '../domain/marker.js';
import { pollUntil } from '../engine/retry.js';
import type { Leadership } from '../leadership/leadership.js';
import type { PeerView } from '../peer/peer-view.js';
import type { Clock } from '../ports/clock.js';
import { formatProbe, isHealthy, type ProbeResult } from '../ports/probe.js';
import type { App, Stack } from '../ports/stack.js';
import { type Baseline, noteProven } from '../state/baseline.js';
import type { NodeState } from '../state/node-state.js';
import type { LocalView } from './local-view.js';
import { assertMayServe } from './serving.js';

const POLL_PAUSE = 100;
/** Milliseconds between two looks whether an app that does not answer yet still runs. */
const EXIT_LOOK_PAUSE = 2_000;

interface Observer {
  clock: Clock;
  local: LocalView;
}

type Stoppable = Observer & { stack: Pick<Stack, 'app'> };

const noteApp = ({ clock, local }: Observer, value: ProbeResult): void => {
  local.app = { value, at: clock.now() };
};

/** Notes what APP_HEALTH_URL said, and that it can say yes (state/baseline.ts). */
export const noteHealth = async (node: Observer & Baseline, seen: ProbeResult): Promise<void> => {
  noteApp(node, seen);
  if (isHealthy(seen)) await noteProven(node, 'APP_HEALTH_URL', true);
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

/** Makes everything ready for a start of the app, and notes what kept it from that. @throws as `App.create` */
export const createApp = async (
  { stack, local }: Pick<Stoppable, 'stack' | 'local'>,
  signal: AbortSignal,
): Promise<void> => {
  try {
    await stack.app.create?.(signal);
    local.uncreated = null;
  } catch (error) {
    if (isError(error, 'app-failed')) local.uncreated = error;
    throw error;
  }
};

type Startable = Pick<Stoppable, 'stack' | 'local'> & {
  state: Pick<NodeState, 'current'>;
  peerView: PeerView;
};

/** Looks whether the app could be started now, and notes it. A look that takes too long says nothing. @throws ColdspareError */
export const assertStartable = async (node: Startable): Promise<void> => {
  const { stack, local, state, peerView } = node;
  if (stack.app.assertStartable === undefined) return;
  // Its last word, for it may be lost now.
  const peer = peerView.answer?.value;
  const isStandby =
    state.current.mode === 'standby' && peer !== undefined && peer.mode !== 'standby';
  try {
    const { images, kept } = await stack.app.assertStartable(
      isStandby ? peer.app.images : undefined,
    );
    Object.assign(local, { images, kept });
    local.unstartable = null;
  } catch (thrown) {
    const error = toColdspareError(thrown);
    if (error.code !== 'timed-out') local.unstartable = error;
    throw error;
  }
};

/**
 * For whoever is about to become primary, which must not leave everybody without an app. Begins to look at once; the
 * returned function waits for the end of it. Only what is missing for certain is a reason.
 * @throws ColdspareError `app-failed`
 */
export const beginToLook = (node: Startable): (() => Promise<void>) => {
  const looked = assertStartable(node).catch((error: unknown) => error);
  return async () => {
    const error = await looked;
    if (isError(error, 'app-failed')) throw error;
  };
};

/** The returned function tells, once, that the app can be started again: somebody has built the image that was missing. */
export const createMendedLook = (local: Pick<LocalView, 'unstartable'>): (() => boolean) => {
  let couldStart = true;
  return () => {
    const canStart = !local.unstartable;
    const isMended = canStart && !couldStart;
    couldStart = canStart;
    return isMended;
  };
};

/** What would keep a start of the app from working, as far as it is known; null when nothing would. */
export const knownObstacle = ({
  state,
  local,
}: {
  state: Pick<NodeState, 'current'>;
  local: LocalView;
}): ColdspareError | null | undefined => {
  if (local.unstartable) return local.unstartable;
  // The containers of a primary's app were made since then.
  const uncreated = state.current.mode === 'standby' ? local.uncreated : null;
  return uncreated ?? local.unstartable;
};

/** Starts the app, and stops it again if this node lost its role meanwhile. @throws ColdspareError `not-primary` */
export const startApp = async (
  node: Stoppable & { state: NodeState; leadership: Leadership },
  signal: AbortSignal,
): Promise<void> => {
  await node.stack.app.start(signal);
  if (node.leadership.mayServe()) return;
  await stopApp(node, signal);
  assertMayServe(node);
};

/**
 * Resolves once the app answers. `beforeUsers` runs when it does, before load balancers are sent to it.
 * @throws ColdspareError `app-failed` after APP_START_TIMEOUT, or as soon as the app has exited: the other node does not
 * take over as long as this one waits
 */
export const waitForApp = async (
  node: Stoppable & Baseline & { settings: { appStartTimeout: number } },
  signal: AbortSignal,
  beforeUsers: () => Promise<void> = async () => {},
): Promise<void> => {
  const { appStartTimeout } = node.settings;
  let last: ProbeResult | undefined;
  let lookAt = node.clock.elapsed() + EXIT_LOOK_PAUSE;
  const ask = async () => {
    last = await node.stack.app.check();
    if (isHealthy(last)) await beforeUsers();
    await noteHealth(node, last);
    if (isHealthy(last)) return last;
    if (node.clock.elapsed() < lookAt) return undefined;
    if (await hasFailed(node.stack.app)) throw appFailed('the app was started and has exited');
    lookAt = node.clock.elapsed() + EXIT_LOOK_PAUSE;
    return undefined;
  };
  const wait = { timeout: appStartTimeout, pause: POLL_PAUSE, what: 'the app answers' };
  await pollUntil({ clock: node.clock, signal }, wait, ask).catch((cause: unknown) => {
    signal.throwIfAborted();
    if (isError(cause, 'app-failed')) throw cause;
    throw appFailed(
      `the app was started but does not answer at APP_HEALTH_URL after ${formatDuration(appStartTimeout)}: it ${last === undefined ? 'was not asked' : formatProbe(last)}`,
      cause,
    );
  });
};

/**
 * Whether nothing of it runs, and something of it has failed. False where nobody can tell: a service of the host that
 * does not listen yet may be coming up.
 */
const hasFailed = async (app: App): Promise<boolean> => {
  try {
    return (await app.isFullyRunning?.()) === false && !(await app.isRunning());
  } catch {
    return false;
  }
};

const appFailed = (message: string, cause?: unknown): ColdspareError =>
  new ColdspareError(
    'app-failed',
    message,
    "this node stays primary and starts the app again by itself; read the app's own log",
    { cause },
  );
