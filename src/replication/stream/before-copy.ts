import { join } from 'node:path';
import {
  divergedCopies,
  divergedName,
  drillName,
  incomingName,
  replacedCopies,
} from '../../domain/database-names.js';
import { driftOf } from '../../domain/drift.js';
import { isError, Refused, toColdspareError } from '../../domain/errors.js';
import { formatBytes } from '../../domain/format.js';
import type { Broken, Identity, Positions } from '../../domain/replication.js';
import type { NodeStatus } from '../../domain/status.js';
import { unknownDataReason } from '../dumps/restore.js';
import type { Streamer } from './streamer.js';

/** A copy brings the log that was written meanwhile. */
const MARGIN = 1.1;
const LOG_ROOM = 512 * 1024 ** 2;

/** What the primary said of itself. */
export interface Primary {
  identity: Identity;
  positions: Positions;
  lineage: string | null;
}

/** What can be copied from; undefined when its agent does not say. */
export const primaryOf = ({ lineage, replication }: NodeStatus): Primary | undefined => {
  const { identity, positions } = replication ?? {};
  return identity && positions ? { identity, positions, lineage } : undefined;
};

/** The most important reason why this cluster, which runs, cannot be a replica of the primary's. */
export const findDrift = async (
  node: Streamer,
  { identity }: Pick<Primary, 'identity'>,
  isReplica: boolean,
): Promise<Broken | undefined> => {
  const { cluster, stack, settings, view } = node;
  const own = await cluster.identity();
  view.identity = own;
  const { databaseName } = settings;
  const names = isReplica ? [] : await stack.database.others();
  const ours = new Set([
    ...replacedCopies(databaseName, names),
    ...divergedCopies(databaseName, names),
    incomingName(databaseName),
    drillName(databaseName),
  ]);
  const [drift] = driftOf(identity, {
    identity: own,
    lacks: await cluster.lacks(identity.extensions),
    others: names.filter((name) => !ours.has(name)),
  });
  return drift;
};

/** @throws Refused `not-replicable`, whose value names the check */
export const assertAlike = async (
  node: Streamer,
  primary: Primary,
  isReplica: boolean,
): Promise<void> => {
  const drift = await findDrift(node, primary, isReplica);
  if (drift !== undefined) throw notReplicable(node, drift);
};

export const assertReachable = async (
  node: Streamer,
  { identity, lineage }: Primary,
  signal: AbortSignal,
): Promise<void> => {
  const { cluster, state } = node;
  const own = state.current.lineage;
  if (lineage === null || (own !== null && own !== lineage))
    throw notReplicable(node, {
      check: 'lineage',
      message: `the primary has the lineage ${lineage ?? '(none yet)'}, and this node keeps ${own}`,
      remedy: 'if the primary has the production data, POST /adopt on both nodes',
    });
  const system = await cluster.copy.reach(signal).catch((error: unknown) => {
    signal.throwIfAborted();
    // Psql did not even run.
    if (!isError(error, 'command-failed')) throw error;
    throw notReplicable(node, {
      check: 'connection',
      message: `the primary's PostgreSQL does not let this node replicate: ${toColdspareError(error).message}`,
      remedy:
        "pg_hba.conf on the primary needs: host replication coldspare_replication 127.0.0.1/32 scram-sha-256; with REPLICATION_ADDRESS, this node's address in place of 127.0.0.1",
    });
  });
  if (system !== identity.system)
    throw notReplicable(node, {
      check: 'address',
      message: `what this node reaches is the PostgreSQL ${system}, and the primary's is ${identity.system}`,
      remedy: 'correct REPLICATION_ADDRESS on this node, or DB_HOST and DB_PORT on the primary',
    });
};

/** The status names the check that failed. */
const notReplicable = ({ view }: Streamer, broken: Broken): Refused => {
  view.broken = broken;
  return new Refused('not-replicable', broken.message, broken.remedy, { value: broken.check });
};

export const assertRoom = async (
  { cluster, settings }: Streamer,
  { identity }: Primary,
): Promise<string> => {
  const needed = Math.ceil(identity.bytes * MARGIN) + LOG_ROOM;
  const free = await cluster.copy.room();
  if (free >= needed)
    return `${formatBytes(free)} are free, and about ${formatBytes(needed)} are needed`;
  throw new Refused(
    'no-room',
    `a copy of the primary's databases needs about ${formatBytes(needed)}, and ${formatBytes(free)} are free on the disk of the databases of ${settings.nodeName}`,
    'free disk space there; it is tried again by itself',
    { value: { needed, free } },
  );
};

/**
 * Dumps what only this cluster has: set-aside databases, and one that holds data of which this node knows nothing.
 * `mayDiffer`: the cluster has been the primary's own, and nobody can tell that it has nothing else.
 */
export const keepOwnData = async (
  node: Streamer,
  { mayDiffer }: { mayDiffer: boolean },
  signal: AbortSignal,
): Promise<string[]> => {
  const { database } = node.stack;
  const { databaseName } = node.settings;
  const { exists, marker } = await database.live();
  const hasServed = exists && marker?.served !== false;
  if ((mayDiffer && hasServed) || (await unknownDataReason(node)) !== undefined)
    await database.setAside(divergedName(databaseName, node.clock.now(), await database.others()));
  const kept: string[] = [];
  for (const name of divergedCopies(databaseName, await database.others()))
    kept.push(await keep(node, name, name, signal));
  return kept;
};

/**
 * The primary has gone back in time, for example to an old image of its machine: what it lacks is in this replica alone
 * (H36). It is dumped before a copy of the primary takes its place. Once for each place, however often that is tried.
 */
export const keepReplica = async (
  node: Streamer,
  { timeline, at, received }: Positions,
  signal: AbortSignal,
): Promise<string[]> => {
  const { databaseName } = node.settings;
  const keepAs = `${databaseName}_replica_${timeline}_${received ?? at}`;
  return [await keep(node, databaseName, keepAs, signal)];
};

/** Dumps the database `name`, unless there is such a dump. Resolves to its file. */
const keep = async (
  { settings, cluster, disk, notifier }: Streamer,
  name: string,
  keepAs: string,
  signal: AbortSignal,
): Promise<string> => {
  const file = join(settings.keptDirectory, `${keepAs}.dump`);
  if ((await disk.size(file)) === undefined) await cluster.keep(name, file, signal);
  notifier.announce({
    event: 'database-kept',
    severity: 'warning',
    message: `${settings.nodeName} becomes a replica: what its database ${name} held is kept as ${file}`,
    remedy: `pg_restore --create --dbname=postgres ${file} on another server shows what is in it; remove it once nobody needs it`,
  });
  return file;
};
