import type { BackupStore } from '../../backups/backup-store.js';
import { divergedName, replacedName } from '../../domain/database-names.js';
import { ColdspareError, type ErrorCode, isError, Refused } from '../../domain/errors.js';
import { type Manifest, newestFirst } from '../../domain/manifest.js';
import type { Steps } from '../../engine/operation.js';
import type { Runner } from '../../engine/runner.js';
import type { Clock } from '../../ports/clock.js';
import type { Notifier } from '../../ports/notifier.js';
import type { Stack } from '../../ports/stack.js';
import type { NodeState } from '../../state/node-state.js';
import { type RestoreJob, unlessAborted } from './restore-job.js';
import { assertAsInManifest } from './verify.js';

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
  /** Leaves the machine to everybody else. */
  gently?: boolean;
  /** Called before a restore begins; not when the backup lies restored already. */
  beforeRestore?(): Promise<void>;
  /** What is thrown instead of a failure. */
  explain?(error: unknown): unknown;
}

/** A backup that lies restored and verified. */
interface Restored {
  backup: Manifest;
  /** True when it was the live database already, untouched since an earlier restore. */
  isPrepared: boolean;
}

export const RESTORE_STEPS = ['restore', 'verify'] as const;

/**
 * Restores the backup beside the live database, which is not touched, and compares it with its manifest.
 * @throws ColdspareError `backup-unusable` when it cannot be restored as it was dumped
 */
export const restoreToStaging = async (
  node: Restorer,
  steps: Steps<(typeof RESTORE_STEPS)[number]>,
  { backup, gently = false, beforeRestore, explain = (error) => error }: RestoreRequest,
): Promise<Restored> => {
  const { database } = node.stack;
  const restored = await steps.step(
    'restore',
    async ({ signal, progress, say }) => {
      const { marker } = await database.live();
      const isPrepared =
        marker?.backup === backup.id && marker.lineage === backup.lineage && !marker.served;
      if (isPrepared) {
        await node.restoreJob.abandon();
        say(`${backup.id} is restored already`);
        return { backup, isPrepared };
      }
      const work = node.restoreJob.restore({
        backup,
        gently,
        open: async (onBytes) => {
          await beforeRestore?.();
          return node.backups.verifiedContent(backup.id, onBytes);
        },
        onBytes: (done) => progress(done, backup.bytes),
        signal,
      });
      await work.catch((error: unknown) => {
        throw explain(error);
      });
      say(`${backup.id}, ${backup.bytes} bytes`);
      return { backup, isPrepared };
    },
    {
      undo: async (error) => {
        // What is more urgent goes on with the restore.
        if (isError(error, 'preempted')) return;
        await node.restoreJob.abandon();
        if (await database.answers()) await database.discard();
      },
    },
  );
  await steps.step('verify', async ({ signal, say }) => {
    if (restored.isPrepared) return say('was verified when it was restored');
    const remedy =
      'the next older backup is used; take a new backup and look at the disk of both nodes';
    const actual = await unlessAborted(database.inventory('incoming'), signal);
    say(assertAsInManifest(backup, actual, remedy));
  });
  return restored;
};

/**
 * Makes what lies restored the live database, marked with `epoch`; the one before is kept.
 * Resolves to its dated name, or null where there was none to keep.
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
    const unknown = await whyUnknown(node);
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
 * Why nobody here can say that the live database has nothing but what is in a backup; undefined when that is known, or
 * when it is empty. Two servers whose roles were exchanged by mistake have production data there.
 */
const whyUnknown = async ({ stack, state }: Restorer): Promise<string | undefined> => {
  const { exists, marker } = await stack.database.live();
  if (!exists) return undefined;
  const { lineage, promotion, parity } = state.current;
  if (marker === undefined) {
    const { rows } = await stack.database.inventory();
    return Object.keys(rows).length === 0 ? undefined : 'carries no lineage';
  }
  if (marker.lineage !== lineage) return `is of lineage ${marker.lineage}`;
  // A node that began as the primary, and lost its state, finds the epoch of its peer and stands down.
  const isOurs = !marker.served || parity === 'odd' || marker.epoch === promotion?.epoch;
  return isOurs
    ? undefined
    : `was served at epoch ${marker.epoch}, of which this node knows nothing`;
};

const announceKept = ({ notifier, settings }: Restorer, unknown: string, keepAs: string): void =>
  notifier.announce({
    event: 'database-kept',
    severity: 'warning',
    message: `${settings.nodeName} had a database ${settings.databaseName} that ${unknown}: it made room for a backup, and is kept as ${keepAs}`,
    remedy: `see whether anybody needs what is in ${keepAs}, then drop it`,
  });

/** What a primary serves is never replaced, whoever asks for it (H06). */
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

const SERVER_CANNOT: readonly string[] = ['database-failed', 'no-room'] satisfies ErrorCode[];

/**
 * The older backup that lies restored, where this server could not take `backup` when it was prepared either, for the
 * lack of an extension or of free space.
 */
export const olderPrepared = (
  { state, backups, runner }: Restorer,
  backup: Manifest,
): string | undefined => {
  const { prepared } = state.current;
  if (prepared === null || !backups.has(prepared)) return undefined;
  const preparation = runner
    .list()
    .find(({ kind, command }) => kind === 'prepare' && command.backup === backup.id);
  const couldNot = SERVER_CANNOT.includes(preparation?.error?.code ?? '');
  return couldNot && newestFirst(backups.get(prepared), backup) > 0 ? prepared : undefined;
};

/** Names the older backup that lies restored: at 3 a.m. it is the other thing that can be done. */
export const suggestOlder = (older: string, error: unknown): unknown => {
  if (!isError(error, 'database-failed')) return error;
  const { message, remedy, value } = error;
  const wayOut = `${remedy}. To go by ${older}, which lies restored here, and lose what was written since: POST /promote {"force": true}`;
  return new ColdspareError('database-failed', message, wayOut, { cause: error, value });
};
