import { sayDuration } from '../pure/duration.js';
import { ColdspareError, isError, toColdspareError } from '../pure/errors.js';
import { hasEnded, type OperationRecord } from '../pure/operation.js';
import { until } from './asking.js';
import type { Node } from './node.js';
import type { Step } from './plan.js';
import type { Restoration } from './restore-steps.js';

/** How the old primary was stopped from serving; filled in by the steps. */
export interface Fencing {
  outcome: 'fenced' | 'unreachable' | 'nothing-to-fence' | undefined;
  /** Why there is no rescue, for the report. */
  notRescued: string | undefined;
}

export const newFencing = (): Fencing => ({ outcome: undefined, notRescued: undefined });

const POLL_PAUSE = 500;

/**
 * Stops the old primary from serving, and takes a last dump from it when its agent answers. Neither needs an
 * undo: a fenced peer asks us what became of the operation and goes on serving when it came to nothing.
 */
export const fencePeerSteps = (node: Node, restoration: Restoration, fencing: Fencing): Step[] => [
  {
    name: 'fence',
    run: async ({ operation }) => {
      try {
        // Stopping an app may take long, so a fence is waited for; a machine that hangs is known sooner (H20).
        await node.peer.status();
        const answer = await node.peer.fence(operation, restoration.epoch);
        fencing.outcome = answer.mode === 'yielding' ? 'fenced' : 'nothing-to-fence';
        return answer.detail;
      } catch (error) {
        // An agent that answers can be helped to stop; with force as well, two would serve in full sight of each other.
        if (!isError(error, 'peer-unreachable')) throw error;
        fencing.outcome = 'unreachable';
        return `could not be fenced: ${toColdspareError(error).message}. If it still runs, it stands down when it hears of epoch ${restoration.epoch}`;
      }
    },
  },
  {
    name: 'rescue',
    run: async ({ operation, signal, say }) => {
      fencing.notRescued = whyNotAsked(node, fencing);
      if (fencing.notRescued !== undefined) return fencing.notRescued;
      try {
        const asked = await node.peer.rescue(operation);
        const ended = await untilEnded(node, asked, signal, say);
        if (ended.state !== 'done') throw new Error(ended.error?.message ?? ended.state);
        // Its database was frozen before the dump: nothing came after it.
        restoration.complete = String(ended.result?.backup);
        return `everything that was written is in ${restoration.complete}`;
      } catch (error) {
        signal.throwIfAborted();
        fencing.notRescued = `the last dump failed: ${toColdspareError(error).message}`;
        return fencing.notRescued;
      }
    },
  },
];

const whyNotAsked = (node: Node, { outcome }: Fencing): string | undefined => {
  if (node.settings.rescueTimeout === 0) return 'rescue is turned off (RESCUE_TIMEOUT=0)';
  return outcome === 'fenced' ? undefined : 'there is no fenced primary to take a last dump from';
};

const untilEnded = async (
  node: Node,
  asked: OperationRecord,
  signal: AbortSignal,
  say: (detail: string) => void,
): Promise<OperationRecord> => {
  const timeout = node.settings.rescueTimeout;
  const wait = { timeout, pause: POLL_PAUSE, what: 'the last dump of the old primary' };
  return until({ clock: node.clock, signal }, wait, async () => {
    const record = await node.peer.operation(asked.id);
    if (record === undefined) {
      throw new ColdspareError(
        'peer-refused',
        `the peer no longer knows ${asked.id}`,
        'read the log of the other agent',
      );
    }
    say(
      `the old primary is at "${record.steps.at(-1)?.name ?? 'start'}" (at most ${sayDuration(timeout)})`,
    );
    return hasEnded(record) ? record : undefined;
  });
};
