import type { PeerMachine } from '../ports/peer-machine.js';
import type { PromoteCommand } from '../pure/commands.js';
import { sayDuration } from '../pure/duration.js';
import { ColdspareError, type ErrorCode, isError, toColdspareError } from '../pure/errors.js';
import { hasEnded, type OperationRecord } from '../pure/operation.js';
import { until } from './asking.js';
import { rescueFromMachine, stopMachine } from './fence-machine.js';
import type { Node } from './node.js';
import type { Step, StepContext } from './plan.js';
import type { Restoration } from './restore-steps.js';

/** How the old primary was stopped from serving; filled in by the steps. */
export interface Fencing {
  outcome:
    | 'fenced'
    | 'fenced-by-ssh'
    /** Its machine was reached, but its app could not be stopped: taken over all the same, by force. */
    | 'not-stopped'
    | 'unreachable'
    | 'nothing-to-fence'
    | undefined;
  /** What went wrong over SSH; undefined when nothing did, or SSH was not needed. */
  sshError: ErrorCode | undefined;
  /** Why there is no rescue, for the report. */
  notRescued: string | undefined;
}

export const newFencing = (): Fencing => ({
  outcome: undefined,
  sshError: undefined,
  notRescued: undefined,
});

const POLL_PAUSE = 500;

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
      try {
        // Stopping an app may take long, so a fence is waited for; a machine that hangs is known sooner (H20).
        await node.peer.status();
        const answer = await node.peer.fence(context.operation, restoration.epoch);
        fencing.outcome = answer.mode === 'yielding' ? 'fenced' : 'nothing-to-fence';
        return answer.detail;
      } catch (error) {
        // An agent that answers can be helped to stop; with force as well, two would serve in full sight of each other.
        if (!isError(error, 'peer-unreachable')) throw error;
        fencing.outcome = 'unreachable';
        const { machine } = node;
        if (machine === undefined) return sayUnfenced(restoration, error.message);
        context.say(`over SSH: ${error.message}`);
        return fenceOverSsh(node, machine, force, restoration, fencing, context);
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

const sayUnfenced = ({ epoch }: Restoration, why: string): string =>
  `could not be fenced: ${why}. If it still runs, it stands down when it hears of epoch ${epoch}`;

/**
 * A machine that does not let us in is as unreachable as its agent. One that does, but whose app goes on, may be
 * serving: only a person may take that upon themselves.
 */
const fenceOverSsh = async (
  node: Node,
  machine: PeerMachine,
  force: boolean,
  restoration: Restoration,
  fencing: Fencing,
  context: StepContext,
): Promise<string> => {
  const reach = { isReached: false, isAppStopped: false };
  try {
    const detail = await stopMachine(node, machine, restoration, reach, context);
    fencing.outcome = 'fenced-by-ssh';
    return announceFenced(node, detail);
  } catch (thrown) {
    context.signal.throwIfAborted();
    const error = toColdspareError(thrown);
    fencing.sshError = error.code;
    if (reach.isAppStopped) {
      fencing.outcome = 'fenced-by-ssh';
      return announceFenced(node, `its app is stopped, but not more: ${error.message}`);
    }
    announceNotFenced(node, error);
    if (!reach.isReached)
      return sayUnfenced(restoration, `neither its agent answers, nor SSH: ${error.message}`);
    if (!force) throw mayStillRun(error);
    fencing.outcome = 'not-stopped';
    return `forced, although its app may still run: ${error.message}`;
  }
};

const announceFenced = (node: Node, detail: string): string => {
  node.notifier.announce({
    event: 'fenced-by-ssh',
    severity: 'warning',
    message: `the agent of the old primary does not answer; over SSH, ${detail}`,
    remedy: `start its agent again: it asks ${node.settings.nodeName} who is primary, and does what that says`,
  });
  return `fenced over SSH: ${detail}`;
};

const announceNotFenced = (node: Node, { message, remedy }: ColdspareError): void =>
  node.notifier.announce({
    event: 'not-fenced',
    severity: 'critical',
    message: `the old primary may still run: its agent does not answer, and SSH failed: ${message}`,
    remedy,
  });

const mayStillRun = ({ code, message, value, remedy }: ColdspareError): ColdspareError =>
  new ColdspareError(
    code,
    `the app of the old primary may still run, for it could not be stopped: ${message}`,
    `stop it there by hand or cut its power, then ask again (${remedy}); to take over all the same POST /promote {"force": true}`,
    { value },
  );

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
  return rescueWithin(node.settings.rescueTimeout, context, async (signal) => {
    const { operation } = context;
    return (await rescueFromMachine(node, machine, restoration, { operation, signal })).id;
  });
};

const rescueWithin = async (
  ms: number,
  { signal }: StepContext,
  work: (signal: AbortSignal) => Promise<string>,
): Promise<string> => {
  const timeout = AbortSignal.timeout(ms);
  try {
    return await work(AbortSignal.any([signal, timeout]));
  } catch (error) {
    if (signal.aborted || !timeout.aborted) throw error;
    throw new ColdspareError(
      'ssh-timed-out',
      `not within ${sayDuration(ms)} over SSH`,
      'raise RESCUE_TIMEOUT when the database is large',
    );
  }
};

const rescueFromAgent = async (
  node: Node,
  { operation, signal, say }: StepContext,
): Promise<string> => {
  const asked = await node.peer.rescue(operation);
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
