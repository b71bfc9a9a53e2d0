import { divergedName, replacedCopies, replacedName } from '../../domain/database-names.js';
import {
  ColdspareError,
  type ErrorCode,
  isError,
  Refused,
  toColdspareError,
} from '../../domain/errors.js';
import {
  type Inventory,
  inventoryDifferences,
  type Manifest,
  newestFirst,
} from '../../domain/manifest.js';
import type { Step } from '../../engine/plan.js';
import { setAsideStep } from '../boot/boot.js';
import type { Node } from '../node.js';
import { unlessAborted } from './restore-job.js';

/** What a takeover is about and how far it came; filled in by the steps. */
export interface Restoration {
  /** The epoch that this node means to take. */
  epoch: number;
  /** Who asked accepts the loss that an older backup means. */
  force: boolean;
  chosen: Manifest | undefined;
  /** Backups that could not be restored, with the reason. */
  rejected: { id: string; reason: string }[];
  /** Newer backups than the chosen one that were not even tried, with the reason. */
  passedOver: { id: string; reason: string }[];
  /** The backup that was dumped in this very operation after the last write. */
  complete: string | undefined;
  /** True when the database is already the chosen backup's content, untouched since. */
  isPrepared: boolean;
  /** What is lost with the chosen backup, in words. */
  loss: string | undefined;
  /** The dated name of the database that was replaced. */
  keptAs: string | undefined;
}

export const newRestoration = (epoch: number): Restoration => ({
  epoch,
  force: false,
  chosen: undefined,
  rejected: [],
  passedOver: [],
  complete: undefined,
  isPrepared: false,
  loss: undefined,
  keptAs: undefined,
});

/** The chosen backup. Steps after the choice call it; that it is there is the order's promise. */
const chosenOf = (restoration: Restoration): Manifest => {
  if (restoration.chosen === undefined) throw new Error('no backup was chosen before this step');
  return restoration.chosen;
};

/**
 * The older backup that lies restored, where this server could not take the chosen one when it was prepared either, for
 * the lack of an extension or of room. Not instead of a last dump, which holds what no other has.
 */
const olderOne = (
  { state, backups, runner }: Node,
  restoration: Restoration,
): string | undefined => {
  const { prepared } = state.current;
  const chosen = chosenOf(restoration);
  if (prepared === null || !backups.has(prepared) || chosen.id === restoration.complete)
    return undefined;
  const preparation = runner
    .list()
    .find(({ kind, command }) => kind === 'prepare' && command.backup === chosen.id);
  const couldNot = SERVER_CANNOT.includes(preparation?.error?.code ?? '');
  return couldNot && newestFirst(backups.get(prepared), chosen) > 0 ? prepared : undefined;
};

/** With the other thing that can be done at 3 a.m., where there is one. */
const withWayOut = (node: Node, restoration: Restoration, error: unknown): unknown => {
  if (!isError(error, 'database-failed') || restoration.force) return error;
  const older = olderOne(node, restoration);
  if (older === undefined) return error;
  const { message, remedy, value } = error;
  const wayOut = `${remedy}. To go by ${older}, which lies restored here, and lose what was written since: POST /promote {"force": true}`;
  return new ColdspareError('database-failed', message, wayOut, { cause: error, value });
};

const SERVER_CANNOT: readonly string[] = ['database-failed', 'no-room'] satisfies ErrorCode[];

/**
 * From a chosen backup to a proven live database. A backup that turns out unusable sends the operation back to
 * `choose-backup`, as one does with force that this server cannot take while an older one lies restored. The live
 * database is not touched before the swap. A preparation, which nobody waits for, has a say before a restore begins, and
 * restores gently.
 */
export const restoreSteps = (
  node: Node,
  restoration: Restoration,
  preparation?: { beforeRestore(backup: Manifest): Promise<void> },
): Step[] => {
  const { database } = node.stack;
  const otherwise = (error: ColdspareError): string | undefined => {
    const mayGoOlder =
      isError(error, 'database-failed') &&
      restoration.force &&
      olderOne(node, restoration) !== undefined;
    if (!isError(error, 'backup-unusable') && !mayGoOlder) return undefined;
    restoration.rejected.push({ id: chosenOf(restoration).id, reason: error.message });
    return 'choose-backup';
  };
  return [
    startDatabaseStep(node),
    setAsideStep(node),
    {
      name: 'restore',
      run: async ({ signal, progress }) => {
        const backup = chosenOf(restoration);
        const { marker } = await database.live();
        restoration.isPrepared =
          marker?.backup === backup.id && marker.lineage === backup.lineage && !marker.served;
        if (restoration.isPrepared) {
          await node.restoring.abandon();
          return `${backup.id} is restored already`;
        }
        const work = node.restoring.restore({
          backup,
          gently: preparation !== undefined,
          open: async (onBytes) => {
            await preparation?.beforeRestore(backup);
            return node.backups.verifiedContent(backup.id, onBytes);
          },
          onBytes: (done) => progress(done, backup.bytes),
          signal,
        });
        await work.catch((error: unknown) => {
          throw withWayOut(node, restoration, error);
        });
        return `${backup.id}, ${backup.bytes} bytes`;
      },
      undo: async (error) => {
        if (isError(error, 'preempted')) return;
        await node.restoring.abandon();
        if (await database.answers()) await database.discard();
      },
      otherwise,
    },
    {
      name: 'verify',
      run: async ({ signal }) => {
        const backup = chosenOf(restoration);
        if (restoration.isPrepared) return 'was verified when it was restored';
        return asInManifest(
          backup,
          await unlessAborted(database.inventory('incoming'), signal),
          'the next older backup is used; take a new backup and look at the disk of both nodes',
        );
      },
      otherwise,
    },
    {
      name: 'swap',
      run: async () => {
        assertNotPrimary(node);
        const backup = chosenOf(restoration);
        const marker = {
          lineage: backup.lineage,
          epoch: restoration.epoch,
          backup: backup.id,
          served: false,
        };
        if (restoration.isPrepared) {
          await database.mark(marker);
          return undefined;
        }
        const { databaseName } = node.settings;
        const unknown = await strangeness(node);
        const dated = unknown === undefined ? replacedName : divergedName;
        const keepAs = dated(databaseName, node.clock.now(), await database.others());
        const { kept } = await database.swap(marker, keepAs);
        await node.restoring.abandon();
        if (!kept) return undefined;
        restoration.keptAs = keepAs;
        if (unknown !== undefined) announceKept(node, unknown, keepAs);
        return `the database before is kept as ${keepAs}${unknown === undefined ? '' : `: it ${unknown}`}`;
      },
    },
  ];
};

/**
 * Why nobody here can say that the live database has nothing but what is in a backup; undefined when that is known, or
 * when it is empty. Two servers whose roles were exchanged by mistake have production data there.
 */
const strangeness = async ({ stack, state }: Node): Promise<string | undefined> => {
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

const announceKept = ({ notifier, settings }: Node, unknown: string, keepAs: string): void =>
  notifier.announce({
    event: 'database-kept',
    severity: 'warning',
    message: `${settings.nodeName} had a database ${settings.databaseName} that ${unknown}: it made room for a backup, and is kept as ${keepAs}`,
    remedy: `see whether anybody needs what is in ${keepAs}, then drop it`,
  });

export const startDatabaseStep = ({ state, stack }: Node): Step => ({
  name: 'start-database',
  run: async ({ signal }) => {
    await stack.database.start(signal);
    return undefined;
  },
  undo: async (error) => {
    // What is more urgent goes on with the database and with the restore.
    if (isError(error, 'preempted')) return;
    // A standby is cold. A yielding node keeps its database, which is the data.
    if (state.current.mode === 'standby') await stack.database.stop(AbortSignal.timeout(60_000));
  },
});

/** What a restored backup holds, in words. @throws ColdspareError `backup-unusable` unless that is what was counted in its dump */
export const asInManifest = (backup: Manifest, actual: Inventory, remedy: string): string => {
  if (backup.inventory === undefined)
    return describe(actual.rows, 'an adopted dump: nothing to compare with');
  const differences = inventoryDifferences(backup.inventory, actual);
  if (differences.length === 0) return describe(actual.rows, 'as in the manifest');
  throw new ColdspareError(
    'backup-unusable',
    `${backup.id} was restored but is not what its manifest says: ${differences.slice(0, 5).join('; ')}`,
    remedy,
    { value: differences },
  );
};

/** What a primary serves is never replaced, whoever asks for it (H06). */
const assertNotPrimary = ({ state, settings }: Node): void => {
  const { mode, epoch } = state.current;
  if (mode !== 'primary') return;
  throw new Refused(
    'already-primary',
    `${settings.nodeName} is the primary, at epoch ${epoch}; its database is not replaced`,
    'nothing to do; GET /status shows whether the app answers',
    { value: epoch },
  );
};

/**
 * Drops the replaced databases but the newest, which the last swap left: its successor serves by now. Never
 * fails the takeover that it comes after.
 */
export const tidyStep = (node: Node): Step => ({
  name: 'tidy',
  run: async () => {
    const { database } = node.stack;
    try {
      const copies = replacedCopies(node.settings.databaseName, await database.others());
      for (const name of copies.slice(0, -1)) await database.drop(name);
      return copies.length > 1 ? `dropped ${copies.slice(0, -1).join(', ')}` : undefined;
    } catch (error) {
      return `old copies could not be dropped: ${toColdspareError(error).message}`;
    }
  },
});

const describe = (rows: Record<string, number>, compared: string): string => {
  const counts = Object.values(rows);
  return `${counts.reduce((sum, count) => sum + count, 0)} rows in ${counts.length} tables, ${compared}`;
};
