import { ageOf, nextToRestore } from '../../backups/catalog.js';
import { checkOf } from '../../domain/drift.js';
import { Refused, toColdspareError } from '../../domain/errors.js';
import { formatBytes, formatDuration } from '../../domain/format.js';
import { bytesBetween, createProgress, isAtOrPast } from '../../domain/replication.js';
import type { Steps } from '../../engine/operation.js';
import { pollUntil } from '../../engine/retry.js';
import type { TakenOver, TakeOverRequest } from '../replication.js';
import { abandonCopy } from './copy-leftovers.js';
import { startReplica } from './start-replica.js';
import { look, type ReplicaState, replicaState, type Streamer } from './streamer.js';

const POLL_PAUSE = 50;
/** Milliseconds without progress. */
const PATIENCE = 20_000;
/** Looks in a row at a replica that waits for more and does not move: then there is no more. */
const IDLE_LOOKS = 3;

export const TAKE_OVER_STEPS = ['replay', 'choose-source', 'open-replica'] as const;

interface Replayed {
  /** Why the replica cannot be used; absent when it can. */
  why?: string;
  /** What of its log could not be replayed, in words. */
  missing?: string | undefined;
}

type Source = { loss: string; why?: never } | { why: string };

/**
 * Makes the replica this node's database, or the newest backup where that is newer or the replica cannot be used. The
 * replica takes writes only after the role was committed (serve/serve.ts).
 */
export const takeOver = async (
  node: Streamer,
  steps: Steps,
  request: TakeOverRequest,
): Promise<TakenOver> => {
  const replayed = await steps.step('replay', async ({ signal, say }) => {
    const found = await replay(node, request, signal);
    say(found.why ?? found.missing ?? 'the replica has replayed everything that came');
    return found;
  });
  const source = await steps.step('choose-source', async ({ say }) => {
    const chosen = chooseSource(node, steps, request, replayed);
    say(chosen.why === undefined ? chosen.loss : `a backup is used: ${chosen.why}`);
    return chosen;
  });
  if (source.why === undefined) return { backup: null, loss: source.loss };
  await steps.step('open-replica', async ({ signal, say }) => {
    if (node.view.positions?.value.isInRecovery !== true) return;
    await node.cluster.promote(signal);
    say(
      'the replica takes writes, so that a backup can be restored beside its database, which is kept',
    );
  });
  return node.dumps.takeOver(steps, request);
};

/** Starts the replica if it does not run, and replays what it has received. */
const replay = async (
  node: Streamer,
  { position }: TakeOverRequest,
  signal: AbortSignal,
): Promise<Replayed> => {
  try {
    await abandonCopy(node, signal);
    await look(node);
    // One that waits for more has all that it needs to run, and each question costs time now.
    if (node.view.positions?.value.isIdle !== true) {
      if (!(await node.cluster.isReplica()))
        return { why: 'the database of this node is no replica' };
      const raised = await startReplica(node, signal);
      const check = node.view.drift?.check;
      if (raised.some((name) => checkOf(name) === check)) node.view.drift = null;
      await look(node);
    }
  } catch (error) {
    signal.throwIfAborted();
    return { why: `the replica does not start: ${toColdspareError(error).message}` };
  }
  const { drift } = node.view;
  if (drift !== null) return { why: `the server of the replica has changed: ${drift.message}` };
  const { marker } = await node.stack.database.live();
  const { lineage } = node.state.current;
  if (marker === undefined || (lineage !== null && marker.lineage !== lineage)) {
    const carried = marker === undefined ? 'no lineage' : `the lineage ${marker.lineage}`;
    return { why: `the replica carries ${carried}, expected ${lineage}` };
  }
  return { missing: await replayAll(node, position, signal) };
};

/** Resolves to what could not be replayed, in words; undefined when nothing is missing. */
const replayAll = async (
  node: Streamer,
  position: string | undefined,
  signal: AbortSignal,
): Promise<string | undefined> => {
  const goal = position ?? node.view.positions?.value.received ?? '0';
  const has = () => node.view.positions?.value.at ?? '0';
  const wait = { timeout: PATIENCE, pause: POLL_PAUSE, what: 'the replica has replayed its log' };
  const isProgress = createProgress();
  isProgress(has());
  let idle = 0;
  try {
    await pollUntil({ clock: node.clock, signal }, wait, async (goesOn) => {
      if (isAtOrPast(has(), goal)) return true;
      await look(node);
      const hasMoved = isProgress(has());
      if (hasMoved) goesOn();
      // A lost primary may have sent the beginning of a record. It is never whole, and nothing waits for it.
      idle = node.view.positions?.value.isIdle && !hasMoved ? idle + 1 : 0;
      return position === undefined && idle >= IDLE_LOOKS ? true : undefined;
    });
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    return `${formatBytes(bytesBetween(has(), goal))} of the log could not be replayed (${toColdspareError(error).message})`;
  }
};

/** @throws Refused `backup-unusable` when the last writes of a stopped primary are not here, `backup-too-old` */
const chooseSource = (
  node: Streamer,
  steps: Steps,
  { complete, position, force }: TakeOverRequest,
  replayed: Replayed,
): Source => {
  const replica = replicaState(node);
  const why = replayed.why ?? (replica ? undefined : 'the replica does not say how far it is');
  const lacking = why ?? replayed.missing;
  if (position !== undefined && lacking !== undefined && !force) throw cannotHaveAll(lacking);
  if (why !== undefined || replica === undefined) return { why: why ?? '' };
  const hasAll = position !== undefined && replayed.missing === undefined;
  if (!hasAll) {
    if (complete !== undefined) return { why: `${complete} was dumped after the last write` };
    const newest = nextToRestore(node);
    if (newest !== undefined && ageOf(node, newest) < replica.age)
      return {
        why: `${newest.id} is newer than the replica, which is current to ${replica.currentAt}`,
      };
    assertRecent(node, replica, force);
  }
  const loss = hasAll
    ? 'nothing is lost: the replica has the whole log of the old primary, which was stopped before'
    : [replica.loss, replayed.missing].filter((part) => part !== undefined).join('; ');
  steps.report({
    ...{ backup: null, backupTakenAt: null, replica: node.view.positions?.value.at, loss },
    lostSeconds: hasAll ? 0 : Math.ceil(replica.age / 1_000),
  });
  return { loss };
};

/** @throws Refused `backup-too-old` */
export const assertRecent = (
  { settings }: Pick<Streamer, 'settings'>,
  { age, currentAt }: ReplicaState,
  force: boolean,
): void => {
  if (force || age <= settings.backupMaxAge) return;
  throw new Refused(
    'backup-too-old',
    `the replica is current to ${currentAt}, ${formatDuration(age)} ago, which is more than BACKUP_MAX_AGE=${formatDuration(settings.backupMaxAge)}`,
    'start the old primary\'s database if you can, or accept the loss with POST /promote {"force": true}',
    { value: currentAt },
  );
};

/** The old primary still has everything, so anything else would lose writes without need. */
const cannotHaveAll = (why: string): Refused =>
  new Refused(
    'backup-unusable',
    `the old primary was stopped in order, and its last writes are not here: ${why}`,
    'the old primary has its role back; GET /status says what became of the replica. To lose what is missing: POST /promote {"force": true}',
  );
