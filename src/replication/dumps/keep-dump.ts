import type { Writable } from 'node:stream';
import type { BackupStore } from '../../backups/backup-store.js';
import { newBackupId } from '../../domain/backup-id.js';
import { isError } from '../../domain/errors.js';
import type { Manifest } from '../../domain/manifest.js';
import type { Clock } from '../../ports/clock.js';
import type { Log } from '../../ports/log.js';
import { BLOCKED, type DumpFacts } from '../../ports/stack.js';
import type { NodeState } from '../../state/node-state.js';

const TRIES = 8;

export interface DumpKeeper {
  settings: { nodeName: string; databaseName: string; backupPrefix: string };
  state: NodeState;
  backups: BackupStore;
  clock: Clock;
  log: Log;
}

/** Writes a dump into the stream. Resolves to what it holds and its place in the order of backups. */
type Dump = (
  sink: Writable,
) => Promise<DumpFacts & Pick<Manifest, 'lineage' | 'epoch' | 'sequence'>>;
/** Wraps the file's stream, given the backup's id. */
type Through = (id: string, file: Writable) => Writable;

/**
 * Streams what `dump` writes into a committed backup on this node's disk. A dump that fails leaves nothing behind. A
 * dump that gave up because others wanted to change a table is taken again.
 */
export const keepDump = async (
  node: DumpKeeper,
  dump: Dump,
  through: Through = (_id, file) => file,
): Promise<Manifest> => {
  for (let tries = 1; ; tries += 1) {
    try {
      return await keepOnce(node, dump, through);
    } catch (error) {
      const isBlocked = isError(error, 'database-failed') && error.value === BLOCKED;
      if (!isBlocked || tries === TRIES) throw error;
      node.log.warn({ tries }, error.message);
    }
  }
};

const keepOnce = async (node: DumpKeeper, dump: Dump, through: Through): Promise<Manifest> => {
  const { settings, backups, clock } = node;
  const takenAt = clock.now();
  const id = newBackupId(settings.backupPrefix, takenAt, {
    ours: backups.list().flatMap((kept) => (kept.node === settings.nodeName ? [kept.id] : [])),
    isTaken: (candidate) => backups.has(candidate) || !isOwnName(candidate, node),
  });
  const { sink: file, received } = await backups.open(id);
  const sink = through(id, file);
  try {
    const { marker: _, ...facts } = await dump(sink);
    const manifest: Manifest = {
      id,
      database: settings.databaseName,
      node: settings.nodeName,
      takenAt: new Date(takenAt).toISOString(),
      ...facts,
      ...(await received),
    };
    await backups.commit(manifest);
    return manifest;
  } catch (error) {
    sink.destroy();
    throw error;
  }
};

/** One node names its backups by odd seconds, the other by even ones, so that no name stands for two backups. */
const isOwnName = (id: string, { state }: DumpKeeper): boolean =>
  Number(id.at(-1)) % 2 === (state.current.parity === 'odd' ? 1 : 0);
