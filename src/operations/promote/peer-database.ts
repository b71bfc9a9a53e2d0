import type { Manifest } from '../../domain/manifest.js';
import type { Marker } from '../../domain/marker.js';
import { nextEpoch } from '../../domain/transitions.js';
import type { PeerStack } from '../../peer/peer-machine.js';
import { assertUnwritten } from '../../serve/freeze.js';
import { foreignDatabase, keepDump } from '../backup/backup.js';
import type { Node } from '../node.js';
import type { Restoration } from '../restore/restore.js';

type PeerDatabase = PeerStack['database'];

/**
 * No write goes into the peer's database from now on, and its marker tells the peer's agent why: that may be
 * started at any moment, and not reach us. Safe to repeat. Resolves to the marker as it was.
 * @throws ColdspareError `foreign-lineage`, before anything is touched
 */
export const freezePeerDatabase = async (
  node: Node,
  database: PeerDatabase,
  restoration: Restoration,
  operation: string,
): Promise<Marker> => {
  const { marker } = await database.live();
  const { lineage, parity } = node.state.current;
  if (marker === undefined || (lineage !== null && marker.lineage !== lineage))
    throw foreignDatabase(node, marker?.lineage);
  // It may have served in an epoch that we have not heard of.
  restoration.epoch = Math.max(restoration.epoch, nextEpoch(marker.epoch, parity));
  await database.freeze();
  await writeFenceMarker(database, marker, { operation, epoch: restoration.epoch });
  return marker;
};

/**
 * Everything that is in the peer's database, as a backup of ours. Its marker then names that backup, so that the
 * peer's agent knows that nothing else is in there.
 * @throws ColdspareError `foreign-lineage`, `written-while-frozen`
 */
export const dumpPeerDatabase = async (
  node: Node,
  database: PeerDatabase,
  restoration: Restoration,
  operation: string,
  signal: AbortSignal,
): Promise<Manifest> => {
  const marker = await freezePeerDatabase(node, database, restoration, operation);
  const { lineage, epoch } = marker;
  const sequence = lastSequence(node, epoch) + 1;
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
  await writeFenceMarker(database, marker, { operation, epoch: restoration.epoch }, manifest);
  return manifest;
};

const writeFenceMarker = (
  database: PeerDatabase,
  marker: Marker,
  claim: { operation: string; epoch: number },
  dump?: Manifest,
): Promise<void> =>
  database.mark({
    ...marker,
    fenced: { ...claim, backup: dump?.id ?? null, sequence: dump?.sequence ?? 0 },
  });

/** Of the backups of `epoch` that are here. The dead agent may have taken later ones, but nobody has got them. */
const lastSequence = ({ backups }: Node, epoch: number): number =>
  Math.max(0, ...backups.list().map((backup) => (backup.epoch === epoch ? backup.sequence : 0)));
