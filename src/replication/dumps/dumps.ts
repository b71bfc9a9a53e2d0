import { ageOf, formatLoss, nextToRestore, type Rejected } from '../../backups/catalog.js';
import {
  type ColdspareError,
  isError,
  isUnusable,
  Refused,
  toColdspareError,
} from '../../domain/errors.js';
import { type Manifest, newestFirst } from '../../domain/manifest.js';
import type { Steps } from '../../engine/operation.js';
import type { Runner } from '../../engine/runner.js';
import type { PeerView } from '../../peer/peer-view.js';
import type { Log } from '../../ports/log.js';
import type { Stack } from '../../ports/stack.js';
import type { LocalView } from '../../serve/local-view.js';
import type { Final, Lag, Replication, TakenOver, TakeOverRequest } from '../replication.js';
import { type Choice, chooseGiven, chooseNewest } from './choose-backup.js';
import { dropOldCopies } from './drop-old-copies.js';
import { createPreparation } from './prepare.js';
import { createPushRetry, type Pusher, pushBackup } from './push.js';
import {
  olderPrepared,
  RESTORE_STEPS,
  type Restorer,
  restoreToStaging,
  suggestOlder,
  swapIn,
} from './restore.js';
import { runSetAside, type Superseded, setAsideIfDue } from './set-aside.js';
import { type Starter, startDatabase } from './start-database.js';
import { type DumpTaker, takeDump } from './take-dump.js';

export interface DumpPorts extends Restorer, Pusher, Superseded, Starter {
  stack: Stack;
  peerView: PeerView;
  settings: Restorer['settings'] &
    Pusher['settings'] &
    Superseded['settings'] &
    DumpTaker['settings'] & {
      backupMaxAge: number;
      checkInterval: number;
      prepare: 'on-receive' | 'on-promote';
    };
  peer: Superseded['peer'];
  runner: Runner;
  local: LocalView;
  log: Log;
}

const FINAL_SYNC_STEPS = ['final-dump', 'push'] as const;
const TAKE_OVER_STEPS = [
  'choose-backup',
  'start-database',
  'set-aside',
  ...RESTORE_STEPS,
  'swap',
] as const;

/** Keeps the standby by dumps: its database is stopped, and restored from the newest dump. */
export const createDumpReplication = (node: DumpPorts): Replication => ({
  steps: {
    finalSync: FINAL_SYNC_STEPS,
    takeOver: TAKE_OVER_STEPS,
    afterTakeOver: ['drop-old-copies'],
    standBy: ['stop-database'],
  },
  tasks: [
    { name: 'push retry', run: createPushRetry(node) },
    { name: 'preparation', run: createPreparation(node) },
  ],
  lag: () => lagOf(node),
  assessLoss: (force, rejected = []) => {
    const { backup } = chooseNewest(node, { force, rejected });
    return `without a last dump of the old primary ${formatLoss(node, backup, undefined)}`;
  },
  finalSync: (steps) => finalSync(node, steps),
  takeOver: (steps, request) => takeOver(node, steps, request),
  afterTakeOver: (steps) => dropOldCopies(node, steps),
  rejoin: (signal) => setAsideIfDue(node, signal),
  standBy: (steps) => steps.step('stop-database', ({ signal }) => node.stack.database.stop(signal)),
});

/** Also for a backup that is too old, because a person decides about `force` by it. */
const lagOf = (node: DumpPorts): Lag | undefined => {
  if (nextToRestore(node) === undefined) return undefined;
  const { backup, summary } = chooseNewest(node, { force: true });
  const { prepared, proofs } = node.state.current;
  return {
    backup,
    age: ageOf(node, backup),
    isPrepared: prepared === backup.id,
    unusable: proofs[backup.id]?.error ?? null,
    loss: `without a last dump of the old primary: ${summary}`,
  };
};

const finalSync = async (
  node: DumpPorts,
  steps: Steps<(typeof FINAL_SYNC_STEPS)[number]>,
): Promise<Final> => {
  const dump = await steps.step('final-dump', (context) =>
    takeDump(node, context, { isFrozen: true }),
  );
  steps.report({ backup: dump.manifest.id });
  await steps.step('push', (context) => pushBackup(node, dump, context));
  return { backup: dump.manifest.id, position: null };
};

/**
 * Makes the newest backup the live database. A backup that turns out unusable is rejected, and the next older one is
 * used. With `force` this also applies to a backup that this server cannot restore while an older one is prepared.
 */
const takeOver = async (
  node: DumpPorts,
  steps: Steps<(typeof TAKE_OVER_STEPS)[number]>,
  request: TakeOverRequest,
): Promise<TakenOver> => {
  const { rejected = [] } = request;
  /** The newest backup of a database that cannot be restored as it is. */
  let refused: Manifest | undefined;
  for (;;) {
    const choice = await steps.step('choose-backup', async ({ say }) => {
      const chosen = choose(node, request, rejected, refused);
      say(chosen.summary);
      return chosen;
    });
    report(steps, choice, rejected);
    await startDatabase(node, steps);
    await runSetAside(node, steps);
    const restored = await restoreToStaging(node, steps, {
      backup: choice.backup,
      incomplete: choice.incomplete ?? false,
      explain: (error) => explain(node, choice.backup, request, error),
    }).catch((thrown: unknown) => {
      const error = toColdspareError(thrown);
      if (choice.incomplete || !mayUseOlder(node, choice.backup, request, error)) throw error;
      if (isError(error, 'not-restorable'))
        [refused] = [choice.backup, ...(refused ? [refused] : [])].sort(newestFirst);
      rejected.push({ id: choice.backup.id, reason: error.message });
      report(steps, choice, rejected);
      return undefined;
    });
    if (restored === undefined) continue;
    const keptAs = await swapIn(node, steps, restored, request.epoch);
    if (keptAs !== null) steps.report({ replacedDatabase: keptAs });
    const { missing } = restored;
    steps.report({ missing });
    const lacks = missing.length === 0 ? '' : `; these could not be made: ${missing.join(', ')}`;
    return { backup: choice.backup, loss: `${choice.loss}${lacks}` };
  }
};

const choose = (
  node: DumpPorts,
  { complete, force, isHandover }: TakeOverRequest,
  rejected: readonly Rejected[],
  refused: Manifest | undefined,
): Choice => {
  if (isHandover) return chooseGiven(node, node.backups.get(complete ?? ''), rejected);
  try {
    return chooseNewest(node, { rejected, complete, force });
  } catch (error) {
    if (refused === undefined || !isError(error, 'no-backup')) throw error;
    if (!force) throw suggestIncomplete(refused, error);
    const others = rejected.filter(({ id }) => id !== refused.id);
    return { ...chooseNewest(node, { rejected: others, complete, force }), incomplete: true };
  }
};

const suggestIncomplete = ({ id }: Manifest, { message, value }: ColdspareError): Refused =>
  new Refused(
    'no-backup',
    message,
    `start the old primary. Or go on with ${id} without the constraints, indexes, triggers and contents of materialized views that cannot be made, which the operation then lists: POST /promote {"force": true}`,
    { value },
  );

const report = (
  steps: Steps,
  { backup, loss, lost, passedOver }: Choice,
  rejected: Rejected[],
): void =>
  steps.report({
    backup: backup.id,
    backupTakenAt: backup.takenAt,
    loss,
    lostSeconds: Math.round(lost / 1_000),
    rejectedBackups: [...passedOver, ...rejected],
  });

/** Undefined for a last dump, which holds writes that no older backup has. */
const olderThan = (
  node: DumpPorts,
  backup: Manifest,
  { complete }: TakeOverRequest,
): string | undefined => (backup.id === complete ? undefined : olderPrepared(node, backup));

const mayUseOlder = (
  node: DumpPorts,
  backup: Manifest,
  request: TakeOverRequest,
  error: unknown,
): boolean =>
  isUnusable(error) ||
  (isError(error, 'database-failed') &&
    request.force &&
    olderThan(node, backup, request) !== undefined);

const explain = (
  node: DumpPorts,
  backup: Manifest,
  request: TakeOverRequest,
  error: unknown,
): unknown => {
  const older = request.force ? undefined : olderThan(node, backup, request);
  return older === undefined ? error : suggestOlder(older, error);
};
