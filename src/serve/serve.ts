import { ColdspareError } from '../domain/errors.js';
import { formatDuration } from '../domain/format.js';
import type { Steps } from '../engine/operation.js';
import type { Leadership } from '../leadership/leadership.js';
import type { Peer } from '../peer/peer.js';
import type { Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import type { Notifier } from '../ports/notifier.js';
import { isHealthy } from '../ports/probe.js';
import type { Stack } from '../ports/stack.js';
import type { Baseline } from '../state/baseline.js';
import type { NodeState } from '../state/node-state.js';
import { noteDatabase, startApp, stopApp, waitForApp } from './app.js';
import { applyFenceMarker } from './fence-marker.js';
import { readLiveDatabase, rememberOpened } from './live-database.js';
import type { LocalView } from './local-view.js';
import { runRoleHook } from './role-hook.js';
import { assertMayServe } from './serving.js';

export interface Server {
  settings: Baseline['settings'] & {
    nodeName: string;
    databaseName: string;
    appStartTimeout: number;
  };
  state: NodeState;
  leadership: Leadership;
  stack: Pick<Stack, 'app' | 'database' | 'cluster' | 'onRole'>;
  peer: Pick<Peer, 'operation'>;
  clock: Clock;
  local: LocalView;
  notifier: Notifier;
  log: Log;
}

export const START_APP_STEPS = ['start-app', 'wait-for-app'] as const;
export const SERVE_STEPS = ['open-database', ...START_APP_STEPS] as const;

/** Opens a verified database and starts the app. Only for a primary that does not yield. `beforeUsers` as of `waitForApp`. */
export const serve = async (
  node: Server,
  steps: Steps<(typeof SERVE_STEPS)[number]>,
  beforeUsers?: () => Promise<void>,
): Promise<void> => {
  await steps.step('open-database', ({ signal }) => openDatabase(node, signal));
  await startServingApp(node, steps, beforeUsers);
};

/** The second half of `serve`, for a database that is open already. */
export const startServingApp = async (
  node: Server,
  steps: Steps<(typeof START_APP_STEPS)[number]>,
  beforeUsers?: () => Promise<void>,
): Promise<void> => {
  await steps.step('start-app', async ({ signal, say }) => {
    assertMayServe(node);
    // A restarted agent leaves a running app alone.
    const { app } = node.stack;
    if (isHealthy(await app.check()) && (await app.isFullyRunning?.()) !== false)
      return say('it runs already');
    const failure = await runRoleHook(node, signal);
    await startApp(node, signal);
    if (failure !== undefined) say(`started, although ON_PRIMARY_COMMAND failed: ${failure}`);
  });
  await steps.step('wait-for-app', async ({ signal, say }) => {
    const began = node.clock.elapsed();
    await waitForApp(node, signal, beforeUsers);
    say(`answered after ${formatDuration(node.clock.elapsed() - began)}`);
  });
};

const openDatabase = async (node: Server, signal: AbortSignal): Promise<void> => {
  assertMayServe(node);
  const { database } = node.stack;
  await database.start(signal);
  const { marker } = await readLiveDatabase(node);
  // For the guard: its last observation may be from before an adoption or a swap.
  noteDatabase(node, { answers: true, marker });
  if (marker === undefined || marker.lineage !== node.state.current.lineage)
    throw foreignDatabase(node, marker?.lineage);
  // Somebody may have started the app, and its data may be outdated already.
  if (marker.fenced !== undefined) await stopApp(node, signal);
  // Before the thaw, which would end a dump that the other node may be taking over SSH.
  await applyFenceMarker(node, marker);
  // The role is committed: a replica takes writes from here on.
  await node.stack.cluster?.promote(signal);
  // Before the first write, so that a database that has served is never again taken for the backup's content (H07).
  const { epoch } = node.state.current;
  const { lineage, backup, fenced } = marker;
  if (!marker.served || marker.epoch !== epoch || fenced !== undefined)
    await database.mark({ lineage, epoch, backup, served: true });
  await database.thaw();
  // Thaw undid a concurrent fence, but its marker remains.
  const opened = await readLiveDatabase(node);
  await applyFenceMarker(node, opened.marker ?? {});
  await rememberOpened(node, opened);
  node.local.opened = true;
};

const foreignDatabase = ({ settings, state }: Server, found: string | undefined): ColdspareError =>
  new ColdspareError(
    'foreign-lineage',
    `${settings.databaseName} carries ${found === undefined ? 'no lineage' : `the lineage ${found}`}, expected ${state.current.lineage}: it was recreated, or was never adopted`,
    'promote the other node, which restores the newest backup; this one gets everything back by failback',
    { value: found ?? null },
  );
