import { formatBytes, formatDuration } from '../../domain/format.js';
import {
  type Broken,
  bytesBehind,
  type Identity,
  type Positions,
  replicaCurrentAt,
  type Word,
  wordOf,
} from '../../domain/replication.js';
import { peerStatus, type Seen } from '../../peer/peer-view.js';
import type { Cluster } from '../../ports/cluster.js';
import type { Disk } from '../../ports/disk.js';
import type { DumpPorts } from '../dumps/dumps.js';
import type { Replication } from '../replication.js';
import type { StreamMemory } from './memory.js';

/** The last observations of this node's cluster. */
interface StreamView {
  /** Undefined while it does not answer. */
  positions: Seen<Positions> | undefined;
  identity: Identity | undefined;
  /** A primary has its role, its slot and their limit. */
  isReady: boolean;
  /** Why the standby is not kept by streaming, or why this primary cannot send; null when nothing is known. */
  broken: Broken | null;
  /** How the server of a replica has changed since it was copied; null when it has not, as far as is known. */
  drift: Broken | null;
}

/** What streaming acts through. Dumps are its second line. */
export interface Streamer extends DumpPorts {
  settings: DumpPorts['settings'] & { replicaFile: string; keptDirectory: string };
  cluster: Cluster;
  disk: Disk;
  dumps: Replication;
  view: StreamView;
  memory: StreamMemory;
}

/** Whether the replica received the primary's log at the last look. */
export const isStreaming = ({ view }: Pick<Streamer, 'view'>): boolean => {
  const positions = view.positions?.value;
  return positions?.isInRecovery === true && positions.receiver?.streaming === true;
};

/** Looks how far this node's cluster is, and remembers it. Never throws. */
export const look = async (node: Streamer): Promise<void> => {
  const { cluster, view, memory, clock, log } = node;
  await memory.load();
  try {
    view.positions = { value: await cluster.positions(), at: clock.now() };
  } catch {
    view.positions = undefined;
    return;
  }
  await remember(node, view.positions.value).catch((error: unknown) =>
    log.warn({ error }, 'how far the replica is could not be written down'),
  );
};

const remember = async (
  { memory, state, peerView }: Streamer,
  positions: Positions,
): Promise<void> => {
  const peer = peerStatus(peerView);
  const theirs = peer?.replication;
  const isShared = theirs?.positions?.system === positions.system;
  if (!positions.isInRecovery) {
    if (state.current.mode === 'primary' && isShared && theirs?.state === 'streaming')
      await memory.note({ paired: positions.system });
    return;
  }
  // Of an idle primary, its agent says more often how far it is than the replication connection does.
  const told =
    isShared && peer?.mode === 'primary' && theirs?.positions && theirs.seenAt !== null
      ? { at: theirs.positions.at, saidAt: theirs.seenAt }
      : undefined;
  const words = [memory.current.word ?? undefined, told, wordOf(positions)];
  const last = words
    .filter((word) => word !== undefined)
    .sort(bySaidAt)
    .at(-1);
  if (last !== undefined) await memory.note({ word: last });
};

const bySaidAt = (one: Word, other: Word): number => one.saidAt.localeCompare(other.saidAt);

/** What a takeover by the replica would start from. */
export interface ReplicaState {
  /** Everything until then, by the primary's clock, is in it. ISO 8601. */
  currentAt: string;
  /** Milliseconds since then. */
  age: number;
  /** Bytes that the primary was known to have and the replica has not replayed; undefined when nobody knows. */
  behind: number | undefined;
  loss: string;
}

/** By the last look, and by what was heard of the primary before it was lost. Undefined for what is no replica. */
export const replicaState = (
  node: Pick<Streamer, 'view' | 'memory' | 'clock'>,
): ReplicaState | undefined => {
  const positions = node.view.positions?.value;
  if (positions?.isInRecovery !== true) return undefined;
  const { word } = node.memory.current;
  const words = [wordOf(positions), word ?? undefined].filter((each) => each !== undefined);
  const currentAt = replicaCurrentAt(positions, words);
  if (currentAt === undefined) return undefined;
  const behind = bytesBehind(positions, words);
  const age = Math.max(0, node.clock.now() - Date.parse(currentAt));
  return { currentAt, age, behind, loss: formatReplicaLoss(currentAt, age, behind) };
};

const formatReplicaLoss = (currentAt: string, age: number, behind: number | undefined): string => {
  const far =
    behind === undefined
      ? 'nobody knows how far the primary was then'
      : behind === 0
        ? 'it has everything that the primary was heard to have'
        : `${formatBytes(behind)} that the primary was heard to have are missing`;
  return `the replica is current to ${currentAt}, ${formatDuration(age)} ago, and ${far}: what was written after ${currentAt} is lost`;
};
