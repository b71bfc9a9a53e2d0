import { ColdspareError, isError, toColdspareError } from '../../domain/errors.js';
import { formatDuration } from '../../domain/format.js';
import { hasEnded, type OperationRecord } from '../../domain/operation.js';
import type { StepContext, Steps } from '../../engine/operation.js';
import { pollUntil } from '../../engine/retry.js';
import type { PeerMachine, PeerStack } from '../../peer/peer-machine.js';
import { retryUnreachable } from '../../peer/retry-unreachable.js';
import type { Node } from '../node.js';
import type { Fenced } from './fenced.js';
import { type Claim, dumpPeerDatabase } from './peer-database.js';

const POLL_PAUSE = 100;
const TRIES = 3;

type Rescuer = Pick<Node, 'settings' | 'state' | 'backups' | 'peer' | 'machine' | 'clock' | 'log'>;

/** The outcome of a rescue. */
export interface Rescue {
  /** The id of the backup that holds every write; undefined when the rescue failed. */
  complete: string | undefined;
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
      const complete = await lastDump(node, fenced, claim, context);
      steps.report({ rescue: complete });
      context.say(`everything that was written is in ${complete}`);
      return { complete, epoch: claim.epoch };
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

/** Resolves to the id of the last dump. */
const lastDump = async (
  node: Rescuer,
  { outcome }: Fenced,
  claim: Claim,
  context: StepContext,
): Promise<string> => {
  const { machine } = node;
  try {
    if (outcome === 'fenced') return await dumpThroughAgent(node, context);
  } catch (error) {
    // The agent may have died since it was fenced.
    if (machine === undefined || !isError(error, 'peer-unreachable')) throw error;
    context.say(`over SSH: ${error.message}`);
  }
  if (machine === undefined) throw new Error('neither an agent nor a machine was fenced');
  return dumpOverSsh(node, machine, claim, context);
};

/** Resolves to the id of the last dump. Safe to repeat: a second request joins a dump that is being taken. */
const dumpThroughAgent = async (
  node: Rescuer,
  { operation, signal, say }: StepContext,
): Promise<string> => {
  const asked = await retryUnreachable(node, signal, () => node.peer.rescue(operation), TRIES);
  const ended = await waitForEnd(node, asked, signal, say);
  if (ended.state !== 'done') throw new Error(ended.error?.message ?? ended.state);
  return String(ended.result?.backup);
};

const waitForEnd = async (
  node: Rescuer,
  asked: OperationRecord,
  signal: AbortSignal,
  say: (detail: string) => void,
): Promise<OperationRecord> => {
  const { rescueTimeout: timeout, failThreshold, checkInterval } = node.settings;
  const wait = { timeout, pause: POLL_PAUSE, what: 'the last dump of the old primary' };
  let heardAt = node.clock.elapsed();
  return pollUntil({ clock: node.clock, signal }, wait, async () => {
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
    say(
      `the old primary is at "${record.steps.at(-1)?.name ?? 'start'}" (at most ${formatDuration(timeout)})`,
    );
    return hasEnded(record) ? record : undefined;
  });
};

/**
 * Takes a last dump of the old primary's database over SSH, as a backup of this node. Afterwards its app and database
 * are stopped, also when the dump failed. Safe to repeat. Resolves to the backup's id.
 * @throws ColdspareError as `PeerMachine`, `Database` and `dumpPeerDatabase` say; `ssh-timed-out` after RESCUE_TIMEOUT
 */
const dumpOverSsh = async (
  node: Rescuer,
  machine: PeerMachine,
  claim: Claim,
  { signal }: StepContext,
): Promise<string> => {
  const { rescueTimeout } = node.settings;
  const timeout = AbortSignal.timeout(rescueTimeout);
  const either = AbortSignal.any([signal, timeout]);
  try {
    return await machine.reach(either, async (stack) => {
      await stack.database.start(either);
      try {
        return (await dumpPeerDatabase(node, stack.database, claim, either)).id;
      } finally {
        await stopForGood(node, stack, either);
      }
    });
  } catch (error) {
    if (signal.aborted || !timeout.aborted) throw error;
    throw new ColdspareError(
      'ssh-timed-out',
      `it took longer than ${formatDuration(rescueTimeout)} over SSH`,
      'raise RESCUE_TIMEOUT if the database is large',
    );
  }
};

/** Stops the app too: a running agent that we cannot reach may have restarted it before the freeze. */
const stopForGood = async (
  { log }: Rescuer,
  { app, database }: PeerStack,
  signal: AbortSignal,
): Promise<void> => {
  for (const part of [app, database]) {
    // Errors are logged only: an app on a frozen and marked database does no harm.
    await part
      .stop(signal)
      .catch((error: unknown) =>
        log.warn({ error }, 'the old primary could not be stopped for good'),
      );
  }
};
