import type { Writable } from 'node:stream';
import type { OpenedDump } from '../../backups/follow-file.js';
import { makeRoom, type Pruner } from '../../backups/prune.js';
import { noteShrinkage } from '../../backups/shrinkage.js';
import { newBackupId } from '../../domain/backup-id.js';
import { isError } from '../../domain/errors.js';
import type { Manifest } from '../../domain/manifest.js';
import { backoff } from '../../engine/retry.js';
import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import { BLOCKED, type DumpFacts } from '../../ports/stack.js';

const TRIES = 8;
/** Milliseconds. Whoever the dump made way for has to come to an end first. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 60_000;

export interface DumpKeeper extends Pruner {
  settings: Pruner['settings'] & { nodeName: string; databaseName: string; backupPrefix: string };
  clock: Clock;
  log: Log;
}

/** Writes a dump into the stream. Resolves to what it holds and its place in the order of backups. */
export type Dump = (
  sink: Writable,
) => Promise<DumpFacts & Pick<Manifest, 'lineage' | 'epoch' | 'sequence'>>;

interface KeepOptions {
  signal?: AbortSignal;
  /** Told of each file before anything is in it. */
  onFile?: (id: string, file: Pick<OpenedDump, 'follow' | 'onGrowth'>) => void;
}

/**
 * Streams what `dump` writes into a committed backup on this node's disk. A dump that fails leaves nothing behind. A
 * dump that gave up because others wanted to change a table is taken again.
 */
export const keepDump = async (
  node: DumpKeeper,
  dump: Dump,
  { signal, onFile = () => {} }: KeepOptions = {},
): Promise<Manifest> => {
  for (let tries = 1; ; tries += 1) {
    try {
      return await keepOnce(node, dump, onFile);
    } catch (error) {
      const isBlocked = isError(error, 'database-failed') && error.value === BLOCKED;
      if (!isBlocked || tries === TRIES) throw error;
      node.log.warn({ tries }, error.message);
      await node.clock.sleep(backoff(tries - 1, FIRST_PAUSE, LONGEST_PAUSE), signal);
    }
  }
};

const keepOnce = async (
  node: DumpKeeper,
  dump: Dump,
  onFile: KeepOptions['onFile'] & {},
): Promise<Manifest> => {
  const { backups } = node;
  const named = nameDump(node);
  const { id } = named;
  await makeRoom(node);
  const { sink, received, ...file } = await backups.open(id);
  onFile(id, file);
  try {
    const { marker: _, ...facts } = await dump(sink);
    const manifest: Manifest = { ...named, ...facts, ...(await received) };
    await noteShrinkage(node, manifest);
    await backups.commit(manifest);
    return manifest;
  } catch (error) {
    sink.destroy();
    throw error;
  }
};

/** What a new dump is called, and what it is of. */
export const nameDump = (
  node: DumpKeeper,
): Pick<Manifest, 'id' | 'database' | 'node' | 'takenAt'> => {
  const { settings, backups, clock } = node;
  const takenAt = clock.now();
  const id = newBackupId(settings.backupPrefix, takenAt, {
    ours: backups.list().flatMap((kept) => (kept.node === settings.nodeName ? [kept.id] : [])),
    isTaken: (candidate) => backups.has(candidate) || !isOwnName(candidate, node),
  });
  const { databaseName: database, nodeName } = settings;
  return { id, database, node: nodeName, takenAt: new Date(takenAt).toISOString() };
};

/** One node names its backups by odd seconds, the other by even ones, so that no name stands for two backups. */
const isOwnName = (id: string, { state }: DumpKeeper): boolean =>
  Number(id.at(-1)) % 2 === (state.current.parity === 'odd' ? 1 : 0);
