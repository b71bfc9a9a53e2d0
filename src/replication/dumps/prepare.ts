import { isKnownUnusable, nextToRestore } from '../../backups/catalog.js';
import { isUnusable } from '../../domain/errors.js';
import type { Manifest } from '../../domain/manifest.js';
import type { Plan, Steps } from '../../engine/operation.js';
import { createBackoff } from '../../engine/retry.js';
import type { Runner } from '../../engine/runner.js';
import { type PeerView, peerStatus } from '../../peer/peer-view.js';
import type { Log } from '../../ports/log.js';
import type { Stack } from '../../ports/stack.js';
import { createApp, createMendedLook } from '../../serve/app.js';
import type { LocalView } from '../../serve/local-view.js';
import { dropOldCopies } from './drop-old-copies.js';
import { assertFreeSpace } from './free-space.js';
import { recordProof, recordUnusable } from './proof.js';
import {
  lastPreparation,
  RESTORE_STEPS,
  type Restorer,
  restoreToStaging,
  swapIn,
} from './restore.js';
import { runSetAside, type Superseded } from './set-aside.js';
import { type Starter, startDatabase } from './start-database.js';

const RETRY_MOST = 300_000;

const PREPARE_STEPS = [
  'start-database',
  'set-aside',
  ...RESTORE_STEPS,
  'swap',
  'drop-old-copies',
  'stop-database',
  'record-proof',
  'create-app',
] as const;

export interface Preparer extends Restorer, Superseded, Starter {
  settings: Restorer['settings'] & Superseded['settings'];
  stack: Pick<Stack, 'database' | 'app'>;
  local: LocalView;
  log: Log;
}

/**
 * Restores a backup ahead of time and stops the database again, so that a promote only has to open it. Every other
 * operation preempts it. If the backup cannot be restored, the database that was prepared before stays.
 */
export const planPrepare = (node: Preparer, backup: Manifest): Plan => ({
  kind: 'prepare',
  reason: `${backup.id} has arrived`,
  command: { type: 'prepare', backup: backup.id },
  steps: PREPARE_STEPS,
  run: (steps) => prepare(node, steps, backup),
  isCommitted: () => false,
  isPreemptible: () => true,
});

const prepare = async (
  node: Preparer,
  steps: Steps<(typeof PREPARE_STEPS)[number]>,
  backup: Manifest,
): Promise<void> => {
  const { database } = node.stack;
  const began = node.clock.elapsed();
  steps.report({ backup: backup.id, replacedDatabase: null });
  await startDatabase(node, steps);
  await runSetAside(node, steps);
  const beforeRestore = async () => {
    // Frees the space of an earlier, unfinished restore.
    await database.discard();
    await assertFreeSpace(node, backup);
  };
  const restored = await restoreToStaging(node, steps, {
    backup,
    gently: true,
    beforeRestore,
  }).catch(async (error: unknown) => {
    if (isUnusable(error)) await recordUnusable(node, backup, error);
    throw error;
  });
  steps.report({ replacedDatabase: await swapIn(node, steps, restored, backup.epoch) });
  await dropOldCopies(node, steps);
  await steps.step('stop-database', async ({ signal }) => {
    await reportDifferences(node, steps, backup);
    await database.stop(signal);
  });
  // Recorded last: after a crash the preparation runs again and finds the database restored already.
  await steps.step('record-proof', async ({ say }) => {
    const took = Math.round(node.clock.elapsed() - began);
    await recordProof(node, backup, { took, error: null });
    say(`${backup.id} is proven by a restore`);
  });
  // A missing image is noticed now, not during a takeover. It does not affect the backup, which is proven already.
  await steps.step('create-app', ({ signal }) => createApp(node, signal));
};

/** Says it while there is time to change it. A failure is ignored: it says nothing of the backup. */
const reportDifferences = async (
  { stack, log }: Preparer,
  steps: Steps,
  { surroundings }: Manifest,
): Promise<void> => {
  try {
    const differences = await stack.database.differences?.(surroundings?.roles ?? []);
    if (differences !== undefined) steps.report({ differences });
  } catch (error) {
    log.warn({ error }, 'the roles of the backup could not be compared');
  }
};

type PreparationPorts = Preparer & {
  settings: { prepare: 'on-receive' | 'on-promote'; checkInterval: number };
  runner: Runner;
  peerView: PeerView;
};

/** Restores the newest backup of a standby ahead of time. A failed preparation is tried again with growing pauses. */
export const createPreparation = (node: PreparationPorts): (() => Promise<void>) => {
  const pause = createBackoff(node.clock, {
    first: node.settings.checkInterval,
    most: RETRY_MOST,
  });
  let tried: string | undefined;
  const canStartAgain = createMendedLook(node.local);
  return async () => {
    if (canStartAgain()) pause.reset();
    const due = duePreparation(node);
    if (due === undefined || node.runner.current !== undefined) return;
    if (due.id !== tried) pause.reset();
    tried = due.id;
    if (!pause.isDue()) return;
    pause.tried();
    await node.runner.start(planPrepare(node, due), { source: 'schedule' });
  };
};

/** The backup to prepare; undefined when there is nothing to do. */
const duePreparation = (node: PreparationPorts): Manifest | undefined => {
  const { mode, standDown, prepared } = node.state.current;
  if (node.settings.prepare !== 'on-receive' || mode !== 'standby' || standDown !== null)
    return undefined;
  // During a handover, users wait for its last backup. The takeover restores that itself, at full speed.
  if (peerStatus(node.peerView)?.operation?.kind === 'handover') return undefined;
  const next = nextToRestore(node);
  if (next === undefined || isKnownUnusable(node, next)) return undefined;
  return next.id === prepared && isDone(node, next) ? undefined : next;
};

/** False when a later step of its last preparation failed, such as creating the app's container. */
const isDone = ({ runner }: PreparationPorts, { id }: Manifest): boolean => {
  const last = lastPreparation(runner, id);
  return last === undefined || last.state === 'done';
};
