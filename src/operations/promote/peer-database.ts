import type { Writable } from 'node:stream';
import type { BackupStore } from '../../backups/backup-store.js';
import type { Manifest } from '../../domain/manifest.js';
import type { Marker } from '../../domain/marker.js';
import { nextEpoch } from '../../domain/transitions.js';
import type { PeerStack } from '../../peer/peer-machine.js';
import { keepDump } from '../../replication/dumps/keep-dump.js';
import { foreignDatabase } from '../../replication/dumps/take-dump.js';
import { assertUnwritten } from '../../serve/freeze.js';
import type { Node } from '../node.js';

type PeerDatabase = PeerStack['database'];
type FencedMarker = Marker & { fenced: NonNullable<Marker['fenced']> };

/** The fencing operation of this node, and the epoch that it means to take. */
export interface Claim {
  operation: string;
  /** Raised when the peer's database was served in an epoch that this node has not heard of. */
  epoch: number;
}

/**
 * Freezes the peer's database, and writes the fence into its marker for the peer's agent, which may start at any moment
 * and not reach this node. Raises the epoch of `claim` above the marker's before anything else, so that it counts even if
 * this fails afterwards. Reserves the number of a last dump. Safe to repeat. Resolves to the marker.
 * @throws ColdspareError `foreign-lineage`, before anything is changed
 */
export const freezePeerDatabase = async (
  node: Pick<Node, 'settings' | 'state' | 'backups'>,
  database: PeerDatabase,
  claim: Claim,
): Promise<FencedMarker> => {
  const { marker } = await database.live();
  const { lineage, parity } = node.state.current;
  if (marker === undefined || (lineage !== null && marker.lineage !== lineage))
    throw foreignDatabase(node, marker?.lineage);
  claim.epoch = Math.max(claim.epoch, nextEpoch(marker.epoch, parity));
  await database.freeze();
  // Without the number of a dump that came here, the peer's agent would find that it has gone back in time.
  const next = lastSequence(node.backups, marker.epoch) + 1;
  const sequence = Math.max(marker.fenced?.sequence ?? 0, next);
  const fenced = { ...marker, fenced: { ...claim, backup: null, sequence } };
  await database.mark(fenced);
  return fenced;
};

/**
 * Dumps the peer's frozen database into a backup of this node. Its marker then names that backup, so that the peer's
 * agent knows that the database holds nothing else. Calls `goesOn` with every part of the dump that came.
 * @throws ColdspareError `foreign-lineage`, `written-while-frozen`
 */
export const dumpPeerDatabase = async (
  node: Pick<Node, 'settings' | 'state' | 'backups' | 'runner' | 'clock' | 'log'>,
  database: PeerDatabase,
  claim: Claim,
  signal: AbortSignal,
  goesOn: () => void,
): Promise<Manifest> => {
  const marker = await freezePeerDatabase(node, database, claim);
  const { lineage, epoch, fenced } = marker;
  const { sequence } = fenced;
  const before = await database.writes();
  const dump = async (sink: Writable) => {
    const facts = await database.dump(sink, signal);
    return { ...facts, lineage, epoch, sequence };
  };
  const manifest = await keepDump(node, dump, {
    signal,
    onFile: (_id, { onGrowth }) => onGrowth(goesOn),
  });
  await assertUnwritten(
    database,
    before,
    "the old primary's database",
    'stop what writes with explicit READ WRITE transactions there, then POST /promote again',
  );
  await database.mark({ ...marker, fenced: { ...fenced, backup: manifest.id } });
  return manifest;
};

/** The highest sequence of the backups of `epoch` on this node. The peer may have taken later ones that never arrived. */
const lastSequence = (backups: BackupStore, epoch: number): number =>
  Math.max(0, ...backups.list().map((backup) => (backup.epoch === epoch ? backup.sequence : 0)));
