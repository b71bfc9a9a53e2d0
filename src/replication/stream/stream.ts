import { isKnownUnusable, nextToRestore } from '../../backups/catalog.js';
import type { ReplicationStatus } from '../../domain/replication.js';
import type { Steps } from '../../engine/operation.js';
import type { Cluster } from '../../ports/cluster.js';
import type { Disk } from '../../ports/disk.js';
import { createDumpReplication, type DumpPorts } from '../dumps/dumps.js';
import type { Lag, Replication } from '../replication.js';
import { abandonCopy } from './copy-leftovers.js';
import { DRAIN_STEPS, drain } from './drain.js';
import { createKeeper } from './keeper.js';
import { StreamMemory } from './memory.js';
import { rejoin } from './rejoin.js';
import { startReplica } from './start-replica.js';
import { isStreaming, look, type ReplicaState, replicaState, type Streamer } from './streamer.js';
import { assertRecent, TAKE_OVER_STEPS, takeOver } from './take-over.js';

type StreamPorts = DumpPorts & Pick<Streamer, 'settings'> & { cluster: Cluster; disk: Disk };

/** Keeps the standby's database as a replica. Wherever that is not possible, dumps do it. */
export const createStreamReplication = (parts: StreamPorts): Replication => {
  const dumps = createDumpReplication(parts);
  const node: Streamer = {
    ...parts,
    dumps,
    view: { positions: undefined, identity: undefined, isReady: false, broken: null, drift: null },
    memory: new StreamMemory(parts.disk, parts.settings.replicaFile),
  };
  const isReplica = () => node.view.positions?.value.isInRecovery === true;
  return {
    steps: {
      finalSync: [...DRAIN_STEPS, ...dumps.steps.finalSync],
      takeOver: [...TAKE_OVER_STEPS, ...dumps.steps.takeOver],
      afterTakeOver: dumps.steps.afterTakeOver,
      standBy: ['follow'],
    },
    tasks: [
      { name: 'replication', run: createKeeper(node) },
      ...dumps.tasks.map(({ name, run }) => ({
        name,
        // A dump cannot be restored beside the database of a replica, or of one that is about to be one.
        run: async () => {
          if (name !== 'preparation' || isKeptByDumps(node)) await run();
        },
      })),
    ],
    lag: () => replicaLag(node) ?? dumps.lag(),
    assessLoss: (force, rejected) => {
      const replica = usableReplica(node);
      if (replica === undefined) return dumps.assessLoss(force, rejected);
      assertRecent(node, replica, force);
      return replica.loss;
    },
    beforeFreeze: (signal) => node.cluster.beforeStop(signal).catch(() => signal.throwIfAborted()),
    finalSync: async (steps) => {
      const position = await drain(node, steps);
      return position === undefined ? dumps.finalSync(steps) : { backup: null, position };
    },
    drain: (steps) => drain(node, steps),
    takeOver: (steps, request) => takeOver(node, steps, request),
    afterTakeOver: (steps) => dumps.afterTakeOver(steps),
    rejoin: (signal) => rejoin(node, signal),
    standBy: (steps) => follow(node, steps),
    keepsDatabase: isReplica,
    look: () => look(node),
    status: () => statusOf(node),
  };
};

/** The database of a standby runs as a replica, or not at all. */
const follow = (node: Streamer, steps: Steps<'follow'>): Promise<void> =>
  steps.step('follow', async ({ signal, say }) => {
    const { cluster, stack } = node;
    await abandonCopy(node, signal);
    if (!(await cluster.isReplica())) {
      await stack.database.stop(signal);
      return say('the database is stopped until it can follow the primary');
    }
    const raised = await startReplica(node, signal);
    await look(node);
    const how = raised.length === 0 ? '' : `, with more ${raised.join(', ')}, as on the primary`;
    say(`the database is a replica, and runs${how}`);
  });

/** A standby that cannot be a replica gets its backups restored ahead of time, as without streaming. */
const isKeptByDumps = ({ view }: Streamer): boolean =>
  view.broken !== null && view.positions?.value.isInRecovery !== true;

/** The replica, if a takeover would use it by the last look. */
const usableReplica = (node: Streamer): ReplicaState | undefined => {
  const replica = replicaState(node);
  const marker = node.local.database?.value.marker;
  const { lineage } = node.state.current;
  const isForeign = marker && lineage !== null && marker.lineage !== lineage;
  if (replica === undefined || node.view.drift !== null || isForeign) return undefined;
  const newest = node.dumps.lag();
  return newest !== undefined && newest.age < replica.age ? undefined : replica;
};

const replicaLag = (node: Streamer): Lag | undefined => {
  const replica = usableReplica(node);
  if (replica === undefined) return undefined;
  const { age, loss } = replica;
  return { backup: null, age, isPrepared: true, unusable: null, loss };
};

const statusOf = (node: Streamer): ReplicationStatus => {
  const { view, state } = node;
  const positions = view.positions?.value ?? null;
  const replica = replicaState(node);
  const isStandby = state.current.mode === 'standby';
  return {
    state: isStandby ? replicaStateName(node) : view.isReady ? 'sending' : 'not-sending',
    identity: view.identity ?? null,
    positions,
    seenAt: view.positions === undefined ? null : new Date(view.positions.at).toISOString(),
    behindBytes: replica?.behind ?? null,
    currentAt: replica?.currentAt ?? null,
    broken: view.broken,
    line: isStandby ? lineOf(node) : null,
    proven: isStandby ? provenBy(node) : 'the standby says what is proven there',
  };
};

const replicaStateName = ({ runner, view }: Streamer): ReplicationStatus['state'] => {
  if (isStreaming({ view })) return 'streaming';
  if (view.positions?.value.isInRecovery) return 'waiting';
  return runner.current?.kind === 'seed' ? 'seeding' : 'not-a-replica';
};

const lineOf = (node: Streamer): ReplicationStatus['line'] => {
  if (usableReplica(node) !== undefined) return 'replica';
  return nextToRestore(node) === undefined ? 'none' : 'backup';
};

const provenBy = (node: Streamer): string => {
  const newest = nextToRestore(node);
  const replica =
    node.view.positions?.value.isInRecovery === true
      ? 'the replica was compared with what the primary sent, file by file, when it was copied, and carries its lineage'
      : 'there is no replica';
  const isProven =
    newest !== undefined &&
    !isKnownUnusable(node, newest) &&
    newest.id in node.state.current.proofs;
  const backup =
    newest === undefined
      ? 'there is no backup'
      : isProven
        ? `${newest.id} was restored here and compared`
        : `${newest.id} is stored whole, by its digest, and was not restored here: a drill on the primary does that (POST /drill there)`;
  return `${replica}; ${backup}`;
};
