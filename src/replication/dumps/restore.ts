import type { BackupStore } from '../../backups/backup-store.js';
import { divergedName, replacedName } from '../../domain/database-names.js';
import { ColdspareError, type ErrorCode, isError, Refused } from '../../domain/errors.js';
import { type Manifest, missingObjects, newestFirst } from '../../domain/manifest.js';
import type { OperationRecord } from '../../domain/operation.js';
import type { Steps } from '../../engine/operation.js';
import type { Runner } from '../../engine/runner.js';
import type { Clock } from '../../ports/clock.js';
import type { Notifier } from '../../ports/notifier.js';
import type { Stack } from '../../ports/stack.js';
import type { NodeState } from '../../state/node-state.js';
import { assertAsInManifest } from './compare-with-manifest.js';
import { type RestoreJob, unlessAborted } from './restore-job.js';

export interface Restorer {
  settings: { nodeName: string; databaseName: string };
  state: NodeState;
  backups: BackupStore;
  stack: Pick<Stack, 'database'>;
  runner: Pick<Runner, 'list'>;
  restoreJob: RestoreJob;
  clock: Clock;
  notifier: Notifier;
}

interface RestoreRequest {
  backup: Manifest;
  /** Gives other programs on the machine priority. */
  gently?: boolean;
  /** Goes on without secondary objects that cannot be made. */
  incomplete?: boolean;
  /** Called before a restore begins; not when the backup is restored already. */
  beforeRestore?(): Promise<void>;
  /** Maps a failure to the error that is thrown. */
  explain?(error: unknown): unknown;
}

/** A backup that is restored and verified. */
interface Restored {
  backup: Manifest;
  /** True when it is the live database already, restored earlier and not served since. */
  isPrepared: boolean;
  /** Secondary objects that an incomplete restore could not make. */
  missing: string[];
}

export const RESTORE_STEPS = ['restore', 'verify'] as const;

/**
 * Restores the backup into the staging database and compares it with its manifest. The live database is not touched.
 * @throws ColdspareError `backup-unusable` when it cannot be restored as it was dumped
 */
export const restoreToStaging = async (
  node: Restorer,
  steps: Steps<(typeof RESTORE_STEPS)[number]>,
  {
    backup,
    gently = false,
    incomplete = false,
    beforeRestore,
    explain = (error) => error,
  }: RestoreRequest,
): Promise<Restored> => {
  const { database } = node.stack;
  const restored: Restored = await steps.step(
    'restore',
    async ({ signal, progress, say }) => {
      const { marker } = await database.live();
      const isPrepared =
        marker?.backup === backup.id && marker.lineage === backup.lineage && !marker.served;
      if (isPrepared) {
        await node.restoreJob.abandon();
        say(`${backup.id} is restored already`);
        return { backup, isPrepared, missing: [] };
      }
      const work = node.restoreJob.restore({
        backup,
        gently,
        incomplete,
        open: async (onBytes) => {
          await beforeRestore?.();
          return node.backups.verifiedContent(backup.id, onBytes);
        },
        onBytes: (done) => progress(done, backup.bytes),
        signal,
      });
      const notes = await work.catch((error: unknown) => {
        throw explain(error);
      });
      say([`${backup.id}, ${backup.bytes} bytes`, ...notes].join('; '));
      return { backup, isPrepared, missing: [] };
    },
    {
      undo: async (error) => {
        // The operation that preempts this one continues the restore.
        if (isError(error, 'preempted')) return;
        await node.restoreJob.abandon();
        if (await database.answers()) await database.discard();
      },
    },
  );
  await steps.step('verify', async ({ signal, say }) => {
    if (restored.isPrepared) return say('was verified when it was restored');
    const remedy =
      'the next older backup is used; take a new backup and check the disks of both nodes';
    const actual = await unlessAborted(database.inventory('incoming'), signal);
    const found = assertAsInManifest(backup, actual, remedy, incomplete);
    if (incomplete && backup.inventory) restored.missing = missingObjects(backup.inventory, actual);
    say([found, ...restored.missing.map((name) => `without ${name}`)].join('; '));
  });
  return restored;
};

/**
 * Makes the restored database the live one, marked with `epoch`. The database before is kept. Resolves to its dated
 * name, or null when there was none to keep.
 */
export const swapIn = (
  node: Restorer,
  steps: Steps<'swap'>,
  { backup, isPrepared }: Restored,
  epoch: number,
): Promise<string | null> =>
  steps.step('swap', async ({ say }) => {
    assertNotPrimary(node);
    const { database } = node.stack;
    const marker = { lineage: backup.lineage, epoch, backup: backup.id, served: false };
    if (isPrepared) {
      await database.mark(marker);
      return null;
    }
    const { databaseName } = node.settings;
    const unknown = await unknownDataReason(node);
    const dated = unknown === undefined ? replacedName : divergedName;
    const keepAs = dated(databaseName, node.clock.now(), await database.others());
    const { kept } = await database.swap(marker, keepAs);
    await node.restoreJob.abandon();
    if (!kept) return null;
    if (unknown !== undefined) announceKept(node, unknown, keepAs);
    say(
      `the database before is kept as ${keepAs}${unknown === undefined ? '' : `: it ${unknown}`}`,
    );
    return keepAs;
  });

/**
 * Why the live database may hold data that is in no backup; undefined when it does not, or is empty. After a mix-up of
 * the two INITIAL_ROLEs, for example, it holds production data.
 */
export const unknownDataReason = async ({
  stack,
  state,
}: Restorer): Promise<string | undefined> => {
  const { exists, marker } = await stack.database.live();
  if (!exists) return undefined;
  const { lineage, epoch, promotion, parity } = state.current;
  if (marker === undefined) {
    const { rows } = await stack.database.inventory();
    return Object.keys(rows).length === 0 ? undefined : 'carries no lineage';
  }
  if (marker.lineage !== lineage) return `is of lineage ${marker.lineage}`;
  // A first primary that lost its state hears of its peer's epoch and stands down, which sets its database aside. One
  // whose state has gone back in time may not have heard of anything (H36).
  const isKnown = parity === 'odd' ? marker.epoch <= epoch : marker.epoch === promotion?.epoch;
  return !marker.served || isKnown
    ? undefined
    : `was served at epoch ${marker.epoch}, of which this node knows nothing`;
};

const announceKept = ({ notifier, settings }: Restorer, unknown: string, keepAs: string): void =>
  notifier.announce({
    event: 'database-kept',
    severity: 'warning',
    message: `${settings.nodeName} had a database ${settings.databaseName} that ${unknown}: a backup took its place, and it is kept as ${keepAs}`,
    remedy: `check whether anybody needs the data in ${keepAs}, then drop it`,
  });

/** The database of a primary is never replaced (H06). */
const assertNotPrimary = ({ state, settings }: Restorer): void => {
  const { mode, epoch } = state.current;
  if (mode !== 'primary') return;
  throw new Refused(
    'already-primary',
    `${settings.nodeName} is the primary, at epoch ${epoch}; its database is not replaced`,
    'nothing to do; GET /status shows whether the app answers',
    { value: epoch },
  );
};

/** Errors of this server, not of the backup. */
const SERVER_ERRORS: readonly string[] = ['database-failed', 'no-room'] satisfies ErrorCode[];

/**
 * The id of the prepared backup, if it is older than `backup` and the preparation of `backup` failed here for lack of
 * an extension or of free space.
 */
export const olderPrepared = (
  { state, backups, runner }: Restorer,
  backup: Manifest,
): string | undefined => {
  const { prepared } = state.current;
  if (prepared === null || !backups.has(prepared)) return undefined;
  const couldNot = SERVER_ERRORS.includes(lastPreparation(runner, backup.id)?.error?.code ?? '');
  return couldNot && newestFirst(backups.get(prepared), backup) > 0 ? prepared : undefined;
};

/** The last preparation of a backup. */
export const lastPreparation = (
  runner: Pick<Runner, 'list'>,
  id: string,
): OperationRecord | undefined =>
  runner.list().find(({ kind, command }) => kind === 'prepare' && command.backup === id);

/** Adds the prepared older backup to the remedy. */
export const suggestOlder = (older: string, error: unknown): unknown => {
  if (!isError(error, 'database-failed')) return error;
  const { message, remedy, value } = error;
  const fallback = `${remedy}. To use ${older}, which is restored here already, and lose what was written since: POST /promote {"force": true}`;
  return new ColdspareError('database-failed', message, fallback, { cause: error, value });
};
