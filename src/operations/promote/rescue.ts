import { ColdspareError, isError, toColdspareError } from '../../domain/errors.js';
import { formatBytes, formatDuration } from '../../domain/format.js';
import { hasEnded, type OperationRecord } from '../../domain/operation.js';
import type { StepContext, Steps } from '../../engine/operation.js';
import { pollUntil } from '../../engine/retry.js';
import type { PeerMachine, PeerStack } from '../../peer/peer-machine.js';
import { retryUnreachable } from '../../peer/retry-unreachable.js';
import { isProven } from '../../state/baseline.js';
import type { Node } from '../node.js';
import type { Fenced } from './fenced.js';
import { type Claim, dumpPeerDatabase } from './peer-database.js';

const POLL_PAUSE = 100;
const TRIES = 3;
/** Milliseconds for each part. `pg_ctl stop` waits a whole minute when the other agent starts the server again. */
const STOP_PATIENCE = 15_000;

type Rescuer = Pick<
  Node,
  'settings' | 'state' | 'backups' | 'runner' | 'peer' | 'machine' | 'clock' | 'log'
>;

/** The outcome of a rescue. */
export interface Rescue {
  /** The id of the backup that holds every write; undefined when the rescue failed, or there is a position. */
  complete: string | undefined;
  /** Where the log of the stopped primary ends. */
  position?: string | undefined;
  /** The epoch to take, as in `Fenced`. */
  epoch: number;
}

/**
 * Takes a last dump of the fenced primary, so that nothing is lost. If that fails, the takeover uses an older backup
 * and reports the loss.
 */
export const rescue = (node: Rescuer, steps: Steps<'rescue'>, fenced: Fenced): Promise<Rescue> =>
  steps.step('rescue', async (context) => {
    const claim: Claim = { operation: context.operation, epoch: fenced.epoch };
    const giveUp = (why: string): Rescue => {
      steps.report({ rescue: why });
      context.say(why);
      return { complete: undefined, epoch: claim.epoch };
    };
    const why = whyNotPossible(node, fenced);
    if (why !== undefined) return giveUp(why);
    try {
      // The database was frozen before the dump, so nothing was written after it.
      const { complete, position } = await lastWrites(node, fenced, claim, context);
      const where = complete ?? `its log up to ${position}`;
      steps.report({ rescue: where });
      context.say(`everything that was written is in ${where}`);
      return { complete, position, epoch: claim.epoch };
    } catch (error) {
      context.signal.throwIfAborted();
      return giveUp(`the last dump failed: ${toColdspareError(error).message}`);
    }
  });

const whyNotPossible = (
  { settings }: Rescuer,
  { outcome, sshError }: Fenced,
): string | undefined => {
  if (settings.rescueTimeout === 0) return 'rescue is turned off (RESCUE_TIMEOUT=0)';
  if (outcome !== 'unreachable' && outcome !== 'nothing-to-fence') return undefined;
  return `there is no fenced primary to take a last dump from${sshError === null ? '' : ` (${sshError})`}`;
};

type Last = Pick<Rescue, 'complete' | 'position'>;

const lastWrites = async (
  node: Rescuer,
  { outcome }: Fenced,
  claim: Claim,
  context: StepContext,
): Promise<Last> => {
  const { machine } = node;
  try {
    if (outcome === 'fenced') return await dumpThroughAgent(node, context);
  } catch (error) {
    // The agent may have died since it was fenced.
    if (machine === undefined || !isError(error, 'peer-unreachable')) throw error;
    context.say(`over SSH: ${error.message}`);
  }
  if (machine === undefined) throw new Error('neither an agent nor a machine was fenced');
  return { complete: await dumpOverSsh(node, machine, claim, context) };
};

/** Safe to repeat: a second request joins a dump that is being taken. */
const dumpThroughAgent = async (
  node: Rescuer,
  { operation, signal, say }: StepContext,
): Promise<Last> => {
  const asked = await retryUnreachable(node, signal, () => node.peer.rescue(operation), TRIES);
  const ended = await waitForEnd(node, asked, signal, say).catch((error: unknown) => {
    // The peer asks how this takeover ends only when nothing else runs there. A restarted agent joins the dump again.
    if (!signal.aborted) node.peer.cancel(asked.id).catch(() => {});
    throw error;
  });
  if (ended.state !== 'done') throw new Error(ended.error?.message ?? ended.state);
  const { backup, position } = ended.result ?? {};
  return typeof position === 'string'
    ? { complete: undefined, position }
    : { complete: String(backup) };
};

const waitForEnd = async (
  node: Rescuer,
  asked: OperationRecord,
  signal: AbortSignal,
  say: (detail: string) => void,
): Promise<OperationRecord> => {
  const { rescueTimeout: timeout, failThreshold, checkInterval } = node.settings;
  const wait = {
    timeout,
    pause: POLL_PAUSE,
    what: 'the next part of the last dump of the old primary',
  };
  let heardAt = node.clock.elapsed();
  let before = '';
  return pollUntil({ clock: node.clock, signal }, wait, async (goesOn) => {
    let record: OperationRecord | undefined;
    try {
      record = await node.peer.operation(asked.id);
    } catch (error) {
      // The dump takes the same link, so a message may get lost. After the monitor's time the primary counts as lost.
      const silence = node.clock.elapsed() - heardAt;
      if (isError(error, 'peer-unreachable') && silence < failThreshold * checkInterval)
        return undefined;
      throw error;
    }
    heardAt = node.clock.elapsed();
    if (record === undefined) {
      throw new ColdspareError(
        'peer-refused',
        `the peer no longer knows ${asked.id}`,
        'read the log of the other agent',
      );
    }
    // Every step and every byte. A large dump takes as long as it takes, and without it data is lost.
    const progress = JSON.stringify(record.steps);
    if (progress !== before) goesOn();
    before = progress;
    const { name = 'start', detail, progress: moved } = record.steps.at(-1) ?? {};
    const far = moved ? `${formatBytes(moved.done)} of ${formatBytes(moved.total)}` : detail;
    say(
      `the old primary is at "${name}"${far ? `: ${far}` : ''} (it is given up after ${formatDuration(timeout)} without progress)`,
    );
    return hasEnded(record) ? record : undefined;
  });
};

/**
 * Takes a last dump of the old primary's database over SSH, as a backup of this node. Afterwards its app and database
 * are stopped, also when the dump failed. Safe to repeat. Resolves to the backup's id.
 * @throws ColdspareError as `PeerMachine`, `Database` and `dumpPeerDatabase` say; `ssh-timed-out` after RESCUE_TIMEOUT without
 * progress
 */
const dumpOverSsh = async (
  node: Rescuer,
  machine: PeerMachine,
  claim: Claim,
  { signal }: StepContext,
): Promise<string> => {
  const { rescueTimeout } = node.settings;
  const timeout = new AbortController();
  const over = new AbortController();
  let moveDeadline = () => {};
  const goesOn = () => moveDeadline();
  const wait = { timeout: rescueTimeout, pause: POLL_PAUSE, what: 'the next part of the dump' };
  pollUntil({ clock: node.clock, signal: over.signal }, wait, async (again) => {
    moveDeadline = again;
    return undefined;
  }).catch(() => timeout.abort());
  const either = AbortSignal.any([signal, timeout.signal]);
  try {
    return await machine.reach(either, async (stack) => {
      await stack.database.start(either);
      goesOn();
      try {
        return (await dumpPeerDatabase(node, stack.database, claim, either, goesOn)).id;
      } finally {
        // Also when the dump took too long.
        await stopForGood(node, stack, signal);
      }
    });
  } catch (error) {
    if (signal.aborted || !timeout.signal.aborted) throw error;
    throw new ColdspareError(
      'ssh-timed-out',
      `no more of it came over SSH for ${formatDuration(rescueTimeout)}`,
      'raise RESCUE_TIMEOUT if the old primary needs longer before its dump begins',
    );
  } finally {
    over.abort();
  }
};

/** Stops the app too: a running agent that we cannot reach may have restarted it before the freeze. */
const stopForGood = async (
  node: Rescuer,
  { app, database }: PeerStack,
  signal: AbortSignal,
): Promise<void> => {
  const isCheckProven = isProven(node, 'PRIMARY_CHECK_URL');
  const patience = () => AbortSignal.any([signal, AbortSignal.timeout(STOP_PATIENCE)]);
  for (const stop of [() => app.stop(patience(), isCheckProven), () => database.stop(patience())]) {
    // Errors are logged only: an app on a frozen and marked database does no harm.
    await stop().catch((error: unknown) =>
      node.log.warn({ error }, 'the old primary could not be stopped for good'),
    );
  }
};
