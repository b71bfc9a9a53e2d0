import { isError } from '../domain/errors.js';
import { affectsApp } from '../domain/operation.js';
import {
  type Booter,
  MISSING_PARTS,
  planBoot,
  planDatabaseRestart,
  planMissingParts,
} from '../operations/boot/boot.js';
import { resolvePendingYield } from '../operations/boot/resolve-pending-yield.js';
import type { Node } from '../operations/node.js';
import { noteEpoch } from '../operations/note-epoch.js';
import { standDownIfDue } from '../operations/stand-down/stand-down.js';
import { noteApp, noteDatabase, stopApp } from '../serve/app.js';
import { isReady, isServing } from '../serve/serving.js';
import { activePause } from '../status/node-status.js';
import { createRestartBackoff } from './restart-backoff.js';

const RESTART_MOST = 600_000;

/** What the guard acts through. */
type Guarded = Booter & Pick<Node, 'runner'>;

/** Milliseconds that an app may take to stop. */
const STOP_TIMEOUT = 120_000;

/**
 * Makes what runs on this machine match the role on disk: stops an app that may not run, starts one that should run,
 * and asks the peer about a pending yield.
 */
export const createGuard = (node: Guarded & Pick<Node, 'disk'>): (() => Promise<void>) => {
  const guard = createGuardRound(node);
  const { heartbeatFile } = node.settings;
  if (heartbeatFile === undefined) return guard;
  return async () => {
    await guard();
    // Written last, so that the watchdog notices a guard that hangs.
    await node.disk.write(heartbeatFile, node.ids.random());
  };
};

const createGuardRound = (node: Guarded): (() => Promise<void>) => {
  const restartApp = createAppRestart(node);
  return async () => {
    noteApp(node, await node.stack.app.check());
    if (!(await node.leadership.renew())) return stopOvertaken(node);
    if (node.state.current.mode === 'primary')
      return servesForeignDatabase(node) ? stopForeignDatabaseApp(node) : restartApp();
    if (await node.stack.app.isRunning()) return stopForeignApp(node);
    if (node.runner.current !== undefined) return;
    await standDownIfDue(node);
    await resolvePendingYield(node).catch((error: unknown) => {
      if (!isError(error, 'peer-unreachable')) throw error;
    });
  };
};

/** The state file cannot be written and still says primary. The app is stopped, so that there are never two writers. */
const stopOvertaken = async (node: Guarded): Promise<void> => {
  const { heardEpoch: epoch } = node.leadership;
  node.log.error({ epoch }, 'superseded, but the state cannot be written: the app is stopped');
  if (await node.stack.app.isRunning()) await stopApp(node, AbortSignal.timeout(STOP_TIMEOUT));
  await noteEpoch(node, epoch);
};

/** Also while an operation runs: no operation starts the app before this node is primary (H08). */
const stopForeignApp = async (node: Guarded): Promise<void> => {
  const { mode } = node.state.current;
  // It may have become the primary during the check.
  if (mode === 'primary') return;
  node.log.warn({ mode }, 'somebody started the app on a node that may not serve');
  noteForeignApp(node, `this node is ${mode} and may not serve`);
  if (node.runner.current !== undefined) return stopApp(node, AbortSignal.timeout(STOP_TIMEOUT));
  await node.runner.start(planBoot(node, 'the app was started by somebody else'), {
    source: 'agent',
  });
};

/** Whether somebody recreated the database under a running app, which then seeded it (H16). */
const servesForeignDatabase = (node: Guarded): boolean => {
  const { lineage } = node.state.current;
  const seen = node.local.database?.value;
  if (lineage === null || !isServing(node)) return false;
  return seen?.answers === true && seen.marker?.lineage !== lineage;
};

/** Also while an operation runs: a boot that waits for its peer has not checked the database yet. */
const stopForeignDatabaseApp = async (node: Guarded): Promise<void> => {
  const { marker } = await node.stack.database.live();
  noteDatabase(node, { answers: true, marker });
  if (!servesForeignDatabase(node)) return;
  node.log.error({ marker }, 'the app serves a database that is not the production data');
  noteForeignApp(node, 'it served a database that is not the production data');
  await stopApp(node, AbortSignal.timeout(STOP_TIMEOUT));
};

const noteForeignApp = (node: Pick<Node, 'local' | 'clock'>, why: string): void => {
  node.local.foreignApp = { value: why, at: node.clock.now() };
};

/**
 * Restarts the app of a primary when it has been down for long, with growing delays. Restarts its database as well: an
 * app may answer without it. Nobody else does, because the restart policies are switched off (`disarm`).
 */
const createAppRestart = (node: Guarded): (() => Promise<void>) => {
  const backoff = createRestartBackoff(node.clock, restartDelays(node));
  // A health check cannot reveal a frozen database, such as after a crash or a failed handover. So an operation must
  // have opened it.
  let isOpened = false;
  node.runner.onEnd(({ kind, state, reason }) => {
    // A missing part does not stop the rest from answering.
    if (reason === MISSING_PARTS) return;
    if (kind === 'boot' || kind === 'promote') {
      isOpened = state === 'done';
      // The app has answered, if only between two checks of ours. What comes next is a new outage.
      if (isOpened) backoff.reset();
    } else if (state === 'failed') isOpened = false;
  });
  return async () => {
    const hasDatabase = node.local.database?.value.answers !== false;
    const serves = isServing(node) && hasDatabase && isOpened;
    const operation = node.runner.current?.kind;
    const isChanging = operation !== undefined && affectsApp(operation);
    const isExcused = isChanging || activePause(node) !== null;
    if (!backoff.isDue(serves ? 'fine' : isExcused ? 'excused' : 'wrong')) return;
    // An app that was started and still does not answer hangs: stop it first.
    const stopFirst = backoff.times > 1;
    const plan =
      isReady(node) && !hasDatabase
        ? planDatabaseRestart(node)
        : planBoot(node, 'the app does not answer', { stopFirst });
    await node.runner.start(plan, { source: 'agent' });
  };
};

/** Starts missing parts of a primary's app, such as a worker, while the app itself answers. */
export const createPartsWatch = (node: Guarded): (() => Promise<void>) => {
  const backoff = createRestartBackoff(node.clock, restartDelays(node));
  return async () => {
    const isExcused =
      !isReady(node) || activePause(node) !== null || node.runner.current !== undefined;
    const isFullyRunning = isExcused || (await node.stack.app.isFullyRunning?.()) !== false;
    if (!backoff.isDue(isExcused ? 'excused' : isFullyRunning ? 'fine' : 'wrong')) return;
    node.log.warn({}, `${MISSING_PARTS}: it is started again`);
    await node.runner.start(planMissingParts(node), { source: 'agent' });
  };
};

const restartDelays = ({ settings }: Pick<Node, 'settings'>) => ({
  first: settings.appRestartAfter,
  most: RESTART_MOST,
});

/** Checks the database regularly, so that `GET /status` can show its marker without a query. */
export const createDatabaseWatch =
  (node: Pick<Node, 'stack' | 'clock' | 'local'>) => async (): Promise<void> => {
    const { database } = node.stack;
    if (!(await database.answers()))
      return noteDatabase(node, { answers: false, marker: undefined });
    const { marker } = await database.live();
    noteDatabase(node, { answers: true, marker });
  };
