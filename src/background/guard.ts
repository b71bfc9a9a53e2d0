import { isError } from '../domain/errors.js';
import { affectsApp } from '../domain/operation.js';
import {
  type Booter,
  planBoot,
  planDatabaseRestart,
  planMissingParts,
  RESTART_REASONS,
} from '../operations/boot/boot.js';
import { resolvePendingYield } from '../operations/boot/resolve-pending-yield.js';
import type { Node } from '../operations/node.js';
import { noteEpoch } from '../operations/note-epoch.js';
import { standDownIfDue } from '../operations/stand-down/stand-down.js';
import { createMendedLook, noteDatabase, noteHealth, stopApp } from '../serve/app.js';
import { noteServing } from '../serve/continuity.js';
import { readLiveDatabase } from '../serve/live-database.js';
import { isReady, isServing } from '../serve/serving.js';
import { isProven } from '../state/baseline.js';
import { activePause } from '../status/node-status.js';
import { createRestartBackoff } from './restart-backoff.js';

const RESTART_MOST = 600_000;

/** What the guard acts through. */
type Guarded = Booter & Pick<Node, 'runner' | 'notifier'>;

/** Milliseconds that an app may take to stop. */
const STOP_TIMEOUT = 120_000;

/**
 * Makes what runs on this machine match the role on disk: stops an app that may not run, starts one that should run,
 * and asks the peer about a pending yield.
 */
export const createGuard = (node: Guarded): (() => Promise<void>) => {
  const guard = createGuardRound(node);
  const { heartbeatFile } = node.settings;
  return async () => {
    await guard();
    if (isReady(node)) await noteServing(node);
    // Written last, so that the watchdog notices a guard that hangs.
    // Not a new file, for which a full disk has no space: the watchdog would stop the app.
    if (heartbeatFile !== undefined) await node.disk.touch(heartbeatFile);
  };
};

const createGuardRound = (node: Guarded): (() => Promise<void>) => {
  const restartApp = createAppRestart(node);
  return async () => {
    await noteHealth(node, await node.stack.app.check());
    await clearUnserved(node);
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

/** Its app has served since the takeover. A full disk must not keep the guard from what comes next. */
const clearUnserved = async (node: Guarded): Promise<void> => {
  if (isServing(node) && node.state.current.unserved)
    await node.state.update({ unserved: null }).catch(() => {});
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
  // A fence and a stand-down change the role first, and an app may take long to stop.
  if (node.runner.current?.steps.at(-1)?.name === 'stop-app') return;
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
  const { marker } = await readLiveDatabase(node);
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
 * Restarts the app of a primary: at once when it has exited, and otherwise when it has been down for long, with growing
 * delays. Restarts its database as well: an app may answer without it. Nobody else does, because the restart policies
 * are switched off (`disarm`).
 */
const createAppRestart = (node: Guarded): (() => Promise<void>) => {
  const backoff = createRestartBackoff(node.clock, restartDelays(node));
  // When an operation opened the database last. A health check cannot reveal a frozen one, such as after a crash or a
  // failed handover.
  let openedAt: number | undefined;
  // When the app was seen to serve last.
  let servedAt = 0;
  const canStartAgain = createMendedLook(node.local);
  node.runner.onEnd(({ kind, state, reason, error }) => {
    // A missing part does not stop the rest from answering.
    if (reason === RESTART_REASONS.parts) return;
    if (kind === 'boot' || kind === 'promote') {
      openedAt = state === 'done' ? node.clock.elapsed() : undefined;
      node.local.startError = state === 'done' ? null : error;
      // The app has answered, if only between two checks of ours. What comes next is a new outage.
      if (state === 'done') backoff.reset();
    } else if (state === 'failed') openedAt = undefined;
  });
  /**
   * Whether the app, or a service of it, has exited after it had served for a while. One that exits again and again is
   * not started at once again and again, but taken over from. What cannot be asked has not exited.
   */
  const hasExited = async (): Promise<boolean> => {
    const { app, database } = node.stack;
    if (isServing(node) || openedAt === undefined) return false;
    if (servedAt - openedAt < node.settings.appRestartAfter) return false;
    const runs = async () => (await app.isRunning()) && (await app.isFullyRunning?.()) !== false;
    return !(await runs().catch(() => true)) && (await database.answers());
  };
  const isExcusedNow = (): boolean => {
    const operation = node.runner.current?.kind;
    return (operation !== undefined && affectsApp(operation)) || activePause(node) !== null;
  };
  return async () => {
    const isGone = !isExcusedNow() && (await hasExited());
    // The other node may have taken over meanwhile.
    if (node.state.current.mode !== 'primary') return;
    const hasDatabase = node.local.database?.value.answers !== false;
    const serves = isServing(node) && hasDatabase && openedAt !== undefined;
    if (serves) servedAt = node.clock.elapsed();
    // Asked again: the look takes a while.
    const isExcused = isExcusedNow();
    const isDue = backoff.isDue(serves ? 'fine' : isExcused ? 'excused' : 'wrong');
    const isWrong = !serves && !isExcused;
    const isMended = canStartAgain();
    if (!isDue && !(isWrong && (isMended || isGone))) return;
    // An app that was started and still does not answer hangs: stop it first. One that answers, at a URL that has never
    // said yes, may do its job (H50).
    const seen = node.local.app?.value.outcome;
    const mayDoItsJob =
      !isProven(node, 'APP_HEALTH_URL') && (seen === 'answers' || seen === 'breaks');
    const stopFirst = backoff.times > 1 && !mayDoItsJob;
    const { exited, silent } = RESTART_REASONS;
    const down = isGone ? exited : silent;
    const plan =
      isReady(node) && !hasDatabase
        ? planDatabaseRestart(node)
        : planBoot(node, isServing(node) ? 'the database has to be opened' : down, { stopFirst });
    // Only a start that succeeds opens it again. The look of the next round may come before this one has ended.
    openedAt = undefined;
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
    node.log.warn({}, `${RESTART_REASONS.parts}: it is started again`);
    await node.runner.start(planMissingParts(node), { source: 'agent' });
  };
};

const restartDelays = ({ settings }: Pick<Node, 'settings'>) => ({
  first: settings.appRestartAfter,
  most: RESTART_MOST,
});

/** Checks the database regularly, so that `GET /status` can show its marker without a query. */
export const createDatabaseWatch =
  (node: Pick<Node, 'settings' | 'state' | 'stack' | 'clock' | 'local' | 'notifier' | 'log'>) =>
  async (): Promise<void> => {
    try {
      const { marker } = await readLiveDatabase(node);
      noteDatabase(node, { answers: true, marker });
    } catch (error) {
      // A server that refuses is there. It has no connection left or is coming up, and a restart would help with neither.
      if (isError(error, 'database-failed')) throw error;
      noteDatabase(node, { answers: false, marker: undefined });
    }
  };
