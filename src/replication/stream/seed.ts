import { ColdspareError, isError, Refused, toColdspareError } from '../../domain/errors.js';
import { formatBytes } from '../../domain/format.js';
import { createProgress, isAhead } from '../../domain/replication.js';
import type { Plan, StepContext, Steps } from '../../engine/operation.js';
import { pollUntil } from '../../engine/retry.js';
import {
  assertAlike,
  assertReachable,
  assertRoom,
  keepOwnData,
  keepReplica,
  type Primary,
} from './before-copy.js';
import { abandonCopy } from './copy-leftovers.js';
import { compareLogs } from './rejoin.js';
import { startReplica } from './start-replica.js';
import { isStreaming, look, type Streamer } from './streamer.js';

const SEED_STEPS = [
  'compare',
  'start-database',
  'check-drift',
  'check-room',
  'keep',
  'copy',
  'verify',
  'swap',
  'start-replica',
  'prove',
  'clean-up',
] as const;

const POLL_PAUSE = 200;
/** Milliseconds without progress. */
const PROVE_PATIENCE = 60_000;
/** Milliseconds without progress for a replica that was started to reach its primary. */
const STREAM_TIMEOUT = 10_000;
const STOP_TIMEOUT = 120_000;
/** How this cluster becomes a replica: as it is, or as a copy. */
type Way = 'start' | 'follow' | 'copy';

interface Chosen {
  way: Way;
  /** By its log, nothing was committed here that the primary does not have. */
  hasNothingElse: boolean;
}

type SeedSteps = Steps<(typeof SEED_STEPS)[number]>;

/**
 * Makes the cluster of a standby a replica of the primary's. The cluster before is brought back unless the replica is
 * proven. Every other operation preempts it.
 */
export const planSeed = (node: Streamer, primary: Primary, reason: string): Plan => ({
  kind: 'seed',
  reason,
  command: { type: 'seed' },
  steps: SEED_STEPS,
  run: (steps) => seed(node, steps, primary),
  isCommitted: () => false,
  isPreemptible: () => true,
});

const seed = async (node: Streamer, steps: SeedSteps, primary: Primary): Promise<void> => {
  const { cluster, stack } = node;
  const { way, hasNothingElse } = await steps.step('compare', async (context) => {
    const found = await chooseWay(node, primary, context);
    context.say(EXPLAINED[found.way]);
    return found;
  });
  steps.report({ way });
  if (way === 'copy') await copy(node, steps, primary, hasNothingElse);
  await steps.step('start-replica', async ({ signal }) => {
    if (way === 'follow') await cluster.follow();
    await stack.database.start(signal);
  });
  await steps.step('prove', (context) => prove(node, primary, context));
  await steps.step('clean-up', async ({ say }) => {
    await cluster.copy.finish();
    say('the cluster before is removed');
  });
};

const EXPLAINED: Record<Way, string> = {
  start: 'it is a replica, and follows once it runs',
  follow: 'it has nothing that the primary does not have, and follows as it is',
  copy: 'a copy of the primary is needed',
};

const chooseWay = async (
  node: Streamer,
  { positions }: Primary,
  { signal }: StepContext,
): Promise<Chosen> => {
  const { cluster, stack, memory } = node;
  await abandonCopy(node, signal);
  const runs = await stack.database.answers();
  if (await cluster.isReplica()) {
    await look(node);
    if (isStreaming(node)) return { way: 'start', hasNothingElse: true };
    // One that does not start is replaced as well. One that runs may only have lost its way to the primary, such as in a
    // container that somebody else has made.
    const works = startReplica(node, signal).then(async () => {
      if (runs) await waitForStream(node, STREAM_TIMEOUT, signal);
    });
    const way = await works.then(
      (): Way => 'start',
      (): Way => 'copy',
    );
    signal.throwIfAborted();
    return { way, hasNothingElse: false };
  }
  const isShared = !runs && (await memory.load()).paired === positions.system;
  const found = isShared ? await compareLogs(node, positions) : undefined;
  return {
    way: found?.isBeforeFork ? 'follow' : 'copy',
    hasNothingElse: found?.commits.count === 0,
  };
};

/** Waits until it streams, for `timeout` milliseconds without progress. A replica replays its own log first. */
const waitForStream = async (node: Streamer, timeout: number, signal: AbortSignal) => {
  const wait = { timeout, pause: POLL_PAUSE, what: 'the replica streams' };
  const isProgress = createProgress();
  await pollUntil({ clock: node.clock, signal }, wait, async (goesOn) => {
    await look(node);
    if (isProgress(node.view.positions?.value.at)) goesOn();
    return isStreaming(node) ? true : undefined;
  });
};

const copy = async (
  node: Streamer,
  steps: SeedSteps,
  primary: Primary,
  hasNothingElse: boolean,
): Promise<void> => {
  const { cluster, stack } = node;
  const isReplica = await cluster.isReplica();
  const isCold = !(await stack.database.answers());
  await steps.step(
    'start-database',
    async ({ signal, say }) => {
      await stack.database.start(signal).catch((error: unknown) => {
        // Its drift was checked when it became a replica.
        if (!isReplica) throw error;
        say(`the broken replica does not start: ${toColdspareError(error).message}`);
      });
    },
    {
      undo: async (error) => {
        if (isCold && !isReplica && !isError(error, 'preempted'))
          await stack.database.stop(AbortSignal.timeout(STOP_TIMEOUT));
      },
    },
  );
  const runs = await stack.database.answers();
  await steps.step('check-drift', async ({ signal, say }) => {
    if (runs) await assertAlike(node, primary, isReplica);
    await assertReachable(node, primary, signal);
    say('both servers are alike in everything that matters');
  });
  await steps.step('check-room', async ({ say }) => say(await assertRoom(node, primary)));
  await steps.step('keep', async ({ signal, say }) => {
    if (!runs) return;
    const isShared = node.view.identity?.system === primary.identity.system;
    const kept = isReplica
      ? await keepReplicaIfAhead(node, primary, signal)
      : await keepOwnData(node, { mayDiffer: isShared && !hasNothingElse }, signal);
    if (kept.length > 0) say(`kept as ${kept.join(', ')}`);
    steps.report({ kept });
  });
  const undo = () => abandonCopy(node, AbortSignal.timeout(STOP_TIMEOUT));
  await steps.step(
    'copy',
    async ({ signal, progress, say }) => {
      const { bytes } = primary.identity;
      await cluster.copy.take(signal, (done) => progress(Math.min(done, bytes), bytes));
      say(`about ${formatBytes(bytes)}`);
    },
    { undo },
  );
  await steps.step('verify', ({ signal }) => cluster.copy.verify(signal));
  await steps.step(
    'swap',
    async ({ signal, say }) => {
      assertStandby(node);
      await look(node);
      if (isReplica && isStreaming(node)) throw streamsAgain(node);
      await stack.database.stop(signal);
      await cluster.copy.install();
      say('the copy is in place; the cluster before is kept until the replica is proven');
    },
    { undo },
  );
};

const keepReplicaIfAhead = async (
  node: Streamer,
  { positions }: Primary,
  signal: AbortSignal,
): Promise<string[]> => {
  const own = node.view.positions?.value;
  return own?.isInRecovery && isAhead(own, positions) ? keepReplica(node, own, signal) : [];
};

const streamsAgain = ({ settings }: Streamer): Refused =>
  new Refused(
    'is-replica',
    `the replica of ${settings.nodeName} streams again, so no copy has to take its place`,
    'nothing to do',
  );

/** @throws Refused `already-primary` */
const assertStandby = ({ state, settings }: Streamer): void => {
  const { mode, epoch } = state.current;
  if (mode === 'standby') return;
  throw new Refused(
    'already-primary',
    `${settings.nodeName} is ${mode} at epoch ${epoch}; its database is not replaced`,
    'nothing to do; GET /status shows whether the app answers',
    { value: epoch },
  );
};

/** Waits until it streams, and checks that it holds the primary's data. */
const prove = async (
  node: Streamer,
  { identity, lineage }: Primary,
  { signal, say }: StepContext,
): Promise<void> => {
  await waitForStream(node, PROVE_PATIENCE, signal);
  const { marker } = await node.stack.database.live();
  const system = node.view.positions?.value.system;
  if (system !== identity.system || marker === undefined || marker.lineage !== lineage)
    throw new ColdspareError(
      'foreign-lineage',
      `the replica is of the PostgreSQL ${system} and carries the lineage ${marker?.lineage}; expected ${identity.system} and ${lineage}`,
      'it is tried again by itself; check REPLICATION_ADDRESS, or DB_HOST and DB_PORT on the primary',
    );
  await node.cluster.stopSending();
  await node.memory.note({ paired: system });
  // What a drill had left behind went with the cluster before.
  await node.state.update({ lineage, prepared: null, drillLeftovers: false });
  Object.assign(node.view, { broken: null, drift: null });
  say('it streams, and holds the database of the primary');
};
