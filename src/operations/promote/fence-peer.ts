import type { FenceAnswer } from '../../domain/answers.js';
import { isError, toColdspareError } from '../../domain/errors.js';
import type { StepContext, Steps } from '../../engine/operation.js';
import type { PeerProbe } from '../../peer/probe-peer.js';
import { retryUnreachable } from '../../peer/retry-unreachable.js';
import { fenceOverSsh } from './fence-over-ssh.js';
import { type Fenced, type FenceRequest, type Fencer, formatUnfenced } from './fenced.js';
import { isFresh, mayServe, type Outage } from './verify-outage.js';

const TRIES = 2;

/**
 * Stops the old primary from serving: through its agent, or over SSH when the agent does not answer. Needs no undo: a
 * fenced peer asks this node how the operation ended, even if its agent was down meanwhile, and serves again when it
 * failed.
 *
 * If the agent answers but cannot be fenced, not even over SSH, there is no takeover, also not by force: both nodes would
 * serve. An agent that did not answer the last `probe` is not asked again here, but once more before the commit.
 */
export const fencePeer = (
  node: Fencer,
  steps: Steps<'fence'>,
  request: FenceRequest,
  { probe, mustBeFenced }: Outage,
): Promise<Fenced> =>
  steps.step('fence', async (context) => {
    const report = ({ outcome, sshError }: Pick<Fenced, 'outcome' | 'sshError'>): void =>
      steps.report({ fenced: outcome, sshError });
    const fenced = await fence(node, request, probe, context, report);
    report(fenced);
    if (mustBeFenced && fenced.outcome === 'unreachable') throw mayServe(probe);
    return { ...fenced, triedAt: node.clock.elapsed() };
  });

const fence = async (
  node: Fencer,
  request: FenceRequest,
  probe: PeerProbe,
  context: StepContext,
  report: (fenced: Pick<Fenced, 'outcome' | 'sshError'>) => void,
): Promise<Omit<Fenced, 'triedAt'>> => {
  const { epoch } = request;
  try {
    if (probe.silence !== undefined && isFresh(node, probe)) throw probe.silence;
    // A fence may take long, because an app has to stop. A status request detects a hung machine sooner (H20).
    await node.peer.status();
    const answer = await fenceThroughAgent(node, epoch, context);
    context.say(answer.detail);
    const outcome = answer.mode === 'yielding' ? 'fenced' : 'nothing-to-fence';
    return { outcome, epoch, sshError: null };
  } catch (thrown) {
    const error = toColdspareError(thrown);
    const isSilent = isError(error, 'peer-unreachable');
    if (!isSilent && (node.machine === undefined || !couldNotStop(error))) throw error;
    if (node.machine === undefined) {
      context.say(formatUnfenced(epoch, error.message));
      return { outcome: 'unreachable', epoch, sshError: null };
    }
    context.say(`over SSH: ${error.message}`);
    const force = request.force && isSilent;
    const fenced = await fenceOverSsh(node, node.machine, { epoch, force }, context).catch(
      (failure: unknown) => {
        report({ outcome: 'unreachable', sshError: toColdspareError(failure).code });
        throw failure;
      },
    );
    report(fenced);
    if (!isSilent && fenced.outcome !== 'fenced-by-ssh') throw error;
    return fenced;
  }
};

/** Tries again after a lost message, because the agent has just answered. */
const fenceThroughAgent = (
  node: Fencer,
  epoch: number,
  { operation, signal }: StepContext,
): Promise<FenceAnswer> =>
  retryUnreachable(node, signal, () => node.peer.fence(operation, epoch), TRIES);

/** The agent answers but could not stop serving: its app does not stop, or its disk takes no writes. */
const couldNotStop = (error: unknown): boolean =>
  isError(error, 'peer-refused') && ['app-failed', 'internal'].includes(String(error.value));
