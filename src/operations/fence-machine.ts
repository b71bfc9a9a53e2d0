import type { PeerMachine, PeerStack } from '../ports/peer-machine.js';
import { ColdspareError } from '../pure/errors.js';
import type { Manifest } from '../pure/manifest.js';
import type { Marker } from '../pure/marker.js';
import { nextEpoch } from '../pure/transitions.js';
import { foreignDatabase, keepDump } from './backup.js';
import type { Node } from './node.js';
import type { StepContext } from './plan.js';
import type { Restoration } from './restore-steps.js';

type PeerDatabase = PeerStack['database'];

/** How far `stopMachine` came; filled in while it runs. */
export interface Reach {
  isReached: boolean;
  isAppStopped: boolean;
}

/**
 * Stops the app on the peer's machine, and freezes its database when it runs. Safe to repeat.
 * @throws ColdspareError as `PeerMachine.reach` says; `reach` tells what had been done by then
 */
export const stopMachine = (
  node: Node,
  machine: PeerMachine,
  restoration: Restoration,
  reach: Reach,
  { operation, signal }: Pick<StepContext, 'operation' | 'signal'>,
): Promise<string> =>
  machine.reach(signal, async ({ app, database }) => {
    reach.isReached = true;
    await app.stop(signal);
    reach.isAppStopped = true;
    if (!(await database.answers())) return 'its app is stopped, its database does not run';
    await freezeFor(node, database, restoration, operation);
    if (node.settings.rescueTimeout > 0) return 'its app is stopped, its database frozen';
    await database.stop(signal);
    return 'its app and its database are stopped';
  });

/**
 * A last dump of the peer's database, streamed from its machine into a backup of ours, after the last write. The
 * database is stopped for good then. Safe to repeat.
 * @throws ColdspareError as `PeerMachine.reach` and `Database` say; `foreign-lineage`, `written-while-frozen`
 */
export const rescueFromMachine = (
  node: Node,
  machine: PeerMachine,
  restoration: Restoration,
  { operation, signal }: Pick<StepContext, 'operation' | 'signal'>,
): Promise<Manifest> =>
  machine.reach(signal, async ({ database }) => {
    await database.start(signal);
    try {
      return await dumpFrozen(node, database, restoration, operation, signal);
    } finally {
      // Frozen as it is, it does no harm when it cannot be stopped.
      await database
        .stop(signal)
        .catch((error: unknown) => node.log.warn({ error }, 'could not stop the other database'));
    }
  });

const dumpFrozen = async (
  node: Node,
  database: PeerDatabase,
  restoration: Restoration,
  operation: string,
  signal: AbortSignal,
): Promise<Manifest> => {
  const { lineage, epoch } = await freezeFor(node, database, restoration, operation);
  const sequence = lastSequence(node, epoch) + 1;
  const before = await database.writes();
  const manifest = await keepDump(node, async (sink) => {
    const facts = await database.dump(sink, signal);
    return { ...facts, lineage, epoch, sequence };
  });
  const written = (await database.writes()) - before;
  if (written !== 0n) throw writtenWhileFrozen(written);
  await freezeFor(node, database, restoration, operation, manifest);
  return manifest;
};

/**
 * No write goes in from now on, and the marker tells the peer's agent why, for when it is back: it may be started
 * at any moment, and not reach us.
 */
const freezeFor = async (
  node: Node,
  database: PeerDatabase,
  restoration: Restoration,
  operation: string,
  taken?: Manifest,
): Promise<Marker> => {
  const { marker } = await database.live();
  const { lineage, parity } = node.state.current;
  if (marker === undefined || (lineage !== null && marker.lineage !== lineage))
    throw foreignDatabase(node, marker?.lineage);
  // It may have served in an epoch that we have not heard of.
  restoration.epoch = Math.max(restoration.epoch, nextEpoch(marker.epoch, parity));
  await database.freeze();
  const { epoch } = restoration;
  const backup = taken?.id ?? null;
  const sequence = taken?.sequence ?? 0;
  await database.mark({ ...marker, fenced: { operation, epoch, backup, sequence } });
  return marker;
};

/** Of the backups of `epoch` that are here. The dead agent may have taken later ones, but nobody has got them. */
const lastSequence = ({ backups }: Node, epoch: number): number =>
  Math.max(0, ...backups.list().map((backup) => (backup.epoch === epoch ? backup.sequence : 0)));

const writtenWhileFrozen = (rows: bigint): ColdspareError =>
  new ColdspareError(
    'written-while-frozen',
    `somebody wrote ${rows} rows to the old primary's database after it was frozen`,
    'stop what writes with explicit READ WRITE transactions there, then POST /promote again',
    { value: rows },
  );
