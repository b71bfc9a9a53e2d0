import type { FenceAnswer } from '../../domain/answers.js';
import type { PromoteCommand } from '../../domain/commands.js';
import { ColdspareError, isError, toColdspareError } from '../../domain/errors.js';
import { formatDuration } from '../../domain/format.js';
import { hasEnded, type OperationRecord } from '../../domain/operation.js';
import type { Step, StepContext } from '../../engine/plan.js';
import { until } from '../../engine/retry.js';
import { seenJustNow } from '../../peer/probe-peer.js';
import { retryUnreachable } from '../backup/backup.js';
import type { Node } from '../node.js';
import type { Restoration } from '../restore/restore.js';
import { fenceOverSsh, rescueOverSsh } from './fence-over-ssh.js';
import { type Fencing, newFencing, sayUnfenced } from './fencing.js';

const POLL_PAUSE = 100;
const FENCE_TRIES = 2;
const RESCUE_TRIES = 3;

/**
 * Stops the old primary from serving, and takes a last dump from it: through its agent, or through its machine when
 * the agent does not answer. Neither needs an undo: a fenced peer asks us what became of the operation, also the one
 * whose agent was down meanwhile, and goes on serving when it came to nothing.
 */
export const fencePeerSteps = (
  node: Node,
  { force }: Pick<PromoteCommand, 'force'>,
  restoration: Restoration,
  fencing: Fencing,
): Step[] => [
  {
    name: 'fence',
    run: async (context) => {
      // It may run a second time, with another outcome (fence-again).
      Object.assign(fencing, newFencing());
      try {
        // Stopping an app may take long, so a fence is waited for; a machine that hangs is known sooner (H20).
        await agentAnswers(node);
        const answer = await fence(node, restoration.epoch, context);
        fencing.outcome = answer.mode === 'yielding' ? 'fenced' : 'nothing-to-fence';
        return answer.detail;
      } catch (error) {
        return await fenceOtherwise(
          node,
          toColdspareError(error),
          force,
          restoration,
          fencing,
          context,
        );
      } finally {
        fencing.triedAt = node.clock.elapsed();
      }
    },
  },
  {
    name: 'rescue',
    run: async (context) => {
      fencing.notRescued = whyNotAsked(node, fencing);
      if (fencing.notRescued !== undefined) return fencing.notRescued;
      try {
        // The database was frozen before the dump: nothing came after it.
        restoration.complete = await rescue(node, restoration, fencing, context);
        return `everything that was written is in ${restoration.complete}`;
      } catch (error) {
        context.signal.throwIfAborted();
        fencing.notRescued = `the last dump failed: ${toColdspareError(error).message}`;
        return fencing.notRescued;
      }
    },
  },
];

/**
 * An agent that does not answer, or cannot stop what runs there, is helped over SSH. One that answers and is not fenced
 * in the end is not taken over from, not even by force: two would serve in full sight of each other.
 */
const fenceOtherwise = async (
  node: Node,
  error: ColdspareError,
  force: boolean,
  restoration: Restoration,
  fencing: Fencing,
  context: StepContext,
): Promise<string> => {
  const { machine } = node;
  const isSilent = isError(error, 'peer-unreachable');
  if (!isSilent && (machine === undefined || !couldNotStop(error))) throw error;
  fencing.outcome = 'unreachable';
  if (machine === undefined) return sayUnfenced(restoration.epoch, error.message);
  context.say(`over SSH: ${error.message}`);
  const mayGoOn = force && isSilent;
  const detail = await fenceOverSsh(node, machine, mayGoOn, restoration, fencing, context);
  if (!isSilent && !isFenced(fencing)) throw error;
  return detail;
};

const isFenced = ({ outcome }: Fencing): boolean => outcome === 'fenced-by-ssh';

/** It answers, but cannot: its app does not stop, or its disk does not take the promise. */
const couldNotStop = (error: unknown): boolean =>
  isError(error, 'peer-refused') && ['app-failed', 'internal'].includes(String(error.value));

/** Not asked again when it has just been silent: it is once more before the commit (fence-again). */
const agentAnswers = async (node: Node): Promise<void> => {
  const silence = seenJustNow(node)?.silence;
  if (silence !== undefined) throw silence;
  await node.peer.status();
};

/** An agent that has just answered is there: one lost message does not make it unreachable. */
const fence = (
  node: Node,
  epoch: number,
  { operation, signal }: StepContext,
): Promise<FenceAnswer> =>
  retryUnreachable(node, signal, () => node.peer.fence(operation, epoch), FENCE_TRIES);

const whyNotAsked = ({ settings }: Node, { outcome, sshError }: Fencing): string | undefined => {
  if (settings.rescueTimeout === 0) return 'rescue is turned off (RESCUE_TIMEOUT=0)';
  if (outcome !== 'unreachable' && outcome !== 'nothing-to-fence') return undefined;
  return `there is no fenced primary to take a last dump from${sshError === undefined ? '' : ` (${sshError})`}`;
};

/** The id of the last dump. */
const rescue = async (
  node: Node,
  restoration: Restoration,
  { outcome }: Fencing,
  context: StepContext,
): Promise<string> => {
  const { machine } = node;
  try {
    if (outcome === 'fenced') return await rescueFromAgent(node, context);
  } catch (error) {
    // It may have died since it was fenced.
    if (machine === undefined || !isError(error, 'peer-unreachable')) throw error;
    context.say(`over SSH: ${error.message}`);
  }
  if (machine === undefined) throw new Error('neither an agent nor a machine was fenced');
  return rescueOverSsh(node, machine, restoration, context);
};

/** Safe to ask for twice: it is the same dump while it is being taken. */
const rescueFromAgent = async (
  node: Node,
  { operation, signal, say }: StepContext,
): Promise<string> => {
  const ask = () => node.peer.rescue(operation);
  const asked = await retryUnreachable(node, signal, ask, RESCUE_TRIES);
  const ended = await untilEnded(node, asked, signal, say);
  if (ended.state !== 'done') throw new Error(ended.error?.message ?? ended.state);
  return String(ended.result?.backup);
};

const untilEnded = async (
  node: Node,
  asked: OperationRecord,
  signal: AbortSignal,
  say: (detail: string) => void,
): Promise<OperationRecord> => {
  const { rescueTimeout: timeout, failThreshold, checkInterval } = node.settings;
  const wait = { timeout, pause: POLL_PAUSE, what: 'the last dump of the old primary' };
  let heardAt = node.clock.elapsed();
  return until({ clock: node.clock, signal }, wait, async () => {
    let record: OperationRecord | undefined;
    try {
      record = await node.peer.operation(asked.id);
    } catch (error) {
      // The dump goes on over the same link, and one message is soon lost. Silent for longer, it is as lost as any primary.
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
