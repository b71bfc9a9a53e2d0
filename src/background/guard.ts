import { isError } from '../domain/errors.js';
import type { OperationKind } from '../domain/operation.js';
import {
  MISSING_PARTS,
  planBoot,
  planDatabaseAgain,
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

/** How long the guard waits for an app to stop. Milliseconds. */
const STOP_TIMEOUT = 120_000;

/**
 * Holds what runs on this machine to the role on disk: stops an app that may not run, starts one that should,
 * asks the peer about a promise that is still open.
 */
export const createGuard = (node: Node): (() => Promise<void>) => {
  const guard = createRound(node);
  const { heartbeatFile } = node.settings;
  if (heartbeatFile === undefined) return guard;
  return async () => {
    await guard();
    // Only now: a guard that hangs no longer vouches for the app.
    await node.disk.write(heartbeatFile, node.ids.random());
  };
};

const createRound = (node: Node): (() => Promise<void>) => {
  const startAgain = createRestarts(node);
  return async () => {
    noteApp(node, await node.stack.app.check());
    if (node.leadership.isOvertaken()) return stopOvertaken(node);
    if (node.state.current.mode === 'primary')
      return servesOtherData(node) ? stopSeeds(node) : startAgain();
    if (await node.stack.app.isRunning()) return stopForeignApp(node);
    if (node.runner.current !== undefined) return;
    await standDownIfDue(node);
    await resolvePendingYield(node).catch((error: unknown) => {
      if (!isError(error, 'peer-unreachable')) throw error;
    });
  };
};

/** Its disk does not take that it is superseded: two would serve until it does. */
const stopOvertaken = async (node: Node): Promise<void> => {
  const { heardEpoch: epoch } = node.leadership;
  node.log.error({ epoch }, 'superseded, which cannot be written down: the app is stopped');
  if (await node.stack.app.isRunning()) await stopApp(node, AbortSignal.timeout(STOP_TIMEOUT));
  await noteEpoch(node, epoch);
};

/** Also while an operation runs: none of them starts the app before this node is a primary (H08). */
const stopForeignApp = async (node: Node): Promise<void> => {
  const { mode } = node.state.current;
  // It may have become one while we looked.
  if (mode === 'primary') return;
  node.log.warn({ mode }, 'somebody started the app on a node that may not serve');
  noteForeignApp(node, `this node is ${mode} and may not serve`);
  if (node.runner.current !== undefined) return stopApp(node, AbortSignal.timeout(STOP_TIMEOUT));
  await node.runner.start(planBoot(node, 'the app was started by somebody else'), {
    source: 'agent',
  });
};

/** Somebody made the database anew under a running app, which has seeded it (H16). */
const servesOtherData = (node: Node): boolean => {
  const { lineage } = node.state.current;
  const seen = node.local.database?.value;
  if (lineage === null || !isServing(node)) return false;
  return seen?.answers === true && seen.marker?.lineage !== lineage;
};

/** Also while an operation runs: a boot that waits for its peer has not come to the database yet. */
const stopSeeds = async (node: Node): Promise<void> => {
  const { marker } = await node.stack.database.live();
  noteDatabase(node, { answers: true, marker });
  if (!servesOtherData(node)) return;
  node.log.error({ marker }, 'the app serves a database that is not the production data');
  noteForeignApp(node, 'it served a database that is not the production data');
  await stopApp(node, AbortSignal.timeout(STOP_TIMEOUT));
};

const noteForeignApp = (node: Node, why: string): void => {
  node.local.foreignApp = { value: why, at: node.clock.now() };
};

/** Every other operation ends with the app served, or says why not. */
const LEAVES_APP_ALONE: ReadonlySet<OperationKind> = new Set(['backup', 'push', 'drill']);

/**
 * Starts the app of a primary again when it has been down for long, each time waiting longer; and its database, which an
 * app may answer without. Nobody else would: what restarts containers by itself was taken away (`disarm`).
 */
const createRestarts = (node: Node): (() => Promise<void>) => {
  const overdue = createRestartBackoff(node.clock, patience(node));
  // A database that is still frozen after a crash, or after a handover that could not be taken back, does not show in
  // an app that answers: what counts is that an operation has opened it.
  let isOpened = false;
  node.runner.onEnd(({ kind, state, reason }) => {
    // Whatever becomes of a part, the rest answers.
    if (reason === MISSING_PARTS) return;
    if (kind === 'boot' || kind === 'promote') {
      isOpened = state === 'done';
      // The app has answered, if only between two looks of ours: what comes next is another outage.
      if (isOpened) overdue.settle();
    } else if (state === 'failed') isOpened = false;
  });
  return async () => {
    const hasDatabase = node.local.database?.value.answers !== false;
    const serves = isServing(node) && hasDatabase && isOpened;
    const operation = node.runner.current?.kind;
    const isChanging = operation !== undefined && !LEAVES_APP_ALONE.has(operation);
    const isExcused = isChanging || activePause(node) !== null;
    if (!overdue.isDue(serves ? 'fine' : isExcused ? 'excused' : 'wrong')) return;
    // One that was started, and had all the time that an app is given, hangs.
    const anew = overdue.times > 1;
    const plan =
      isReady(node) && !hasDatabase
        ? planDatabaseAgain(node)
        : planBoot(node, 'the app does not answer', { anew });
    await node.runner.start(plan, { source: 'agent' });
  };
};

/** Starts what is missing of a primary's app that answers all the same, once it has been missing for long. */
export const createPartsWatch = (node: Node): (() => Promise<void>) => {
  const overdue = createRestartBackoff(node.clock, patience(node));
  return async () => {
    const isExcused =
      !isReady(node) || activePause(node) !== null || node.runner.current !== undefined;
    const isFullyRunning = isExcused || (await node.stack.app.isFullyRunning?.()) !== false;
    if (!overdue.isDue(isExcused ? 'excused' : isFullyRunning ? 'fine' : 'wrong')) return;
    node.log.warn({}, `${MISSING_PARTS}: it is started again`);
    await node.runner.start(planMissingParts(node), { source: 'agent' });
  };
};

const patience = ({ settings }: Node) => ({ first: settings.appRestartAfter, most: RESTART_MOST });

/** Looks at the database now and then, so that `/status` can show its marker without asking it every time. */
export const createDatabaseWatch = (node: Node) => async (): Promise<void> => {
  const { database } = node.stack;
  if (!(await database.answers())) return noteDatabase(node, { answers: false, marker: undefined });
  const { marker } = await database.live();
  noteDatabase(node, { answers: true, marker });
};
