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
/** The operation of ours that fences, and the epoch that it means to take. */
interface Claim {
  operation: string;
  epoch: number;
}

/**
 * No write goes into the peer's database from now on, and its marker tells the peer's agent why: that may be
 * started at any moment, and not reach us. Safe to repeat. Resolves to the marker as it was, and to the epoch to
 * take: the peer may have served in one that we have not heard of.
 * @throws ColdspareError `foreign-lineage`, before anything is touched
 */
export const freezePeerDatabase = async (
  node: Pick<Node, 'settings' | 'state'>,
  database: PeerDatabase,
  claim: Claim,
): Promise<{ marker: Marker; epoch: number }> => {
  const { marker } = await database.live();
  const { lineage, parity } = node.state.current;
  if (marker === undefined || (lineage !== null && marker.lineage !== lineage))
    throw foreignDatabase(node, marker?.lineage);
  const epoch = Math.max(claim.epoch, nextEpoch(marker.epoch, parity));
  await database.freeze();
  await writeFenceMarker(database, marker, { ...claim, epoch });
  return { marker, epoch };
};

/**
 * Everything that is in the peer's database, as a backup of ours. Its marker then names that backup, so that the
 * peer's agent knows that nothing else is in there.
 * @throws ColdspareError `foreign-lineage`, `written-while-frozen`
 */
export const dumpPeerDatabase = async (
  node: Pick<Node, 'settings' | 'state' | 'backups' | 'clock' | 'log'>,
  database: PeerDatabase,
  claim: Claim,
  signal: AbortSignal,
): Promise<{ manifest: Manifest; epoch: number }> => {
  const { marker, epoch: claimed } = await freezePeerDatabase(node, database, claim);
  const { lineage, epoch } = marker;
  const sequence = lastSequence(node.backups, epoch) + 1;
  const before = await database.writes();
  const manifest = await keepDump(node, async (sink) => {
    const facts = await database.dump(sink, signal);
    return { ...facts, lineage, epoch, sequence };
  });
  await assertUnwritten(
    database,
    before,
    "the old primary's database",
    'stop what writes with explicit READ WRITE transactions there, then POST /promote again',
  );
  await writeFenceMarker(database, marker, { ...claim, epoch: claimed }, manifest);
  return { manifest, epoch: claimed };
};

const writeFenceMarker = (
  database: PeerDatabase,
  marker: Marker,
  claim: Claim,
  dump?: Manifest,
): Promise<void> =>
  database.mark({
    ...marker,
    fenced: { ...claim, backup: dump?.id ?? null, sequence: dump?.sequence ?? 0 },
  });

/** Of the backups of `epoch` that are here. The dead agent may have taken later ones, but nobody has got them. */
const lastSequence = (backups: BackupStore, epoch: number): number =>
  Math.max(0, ...backups.list().map((backup) => (backup.epoch === epoch ? backup.sequence : 0)));
