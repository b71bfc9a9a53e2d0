import type { PromoteCommand } from '../../domain/commands.js';
import { Refused } from '../../domain/errors.js';
import type { Source } from '../../domain/operation.js';
import { type Asker, decide, type Situation } from '../../domain/takeover-verdict.js';
import type { StepContext, Steps } from '../../engine/operation.js';
import { type PeerProbe, probePeer, probeWitness } from '../../peer/probe-peer.js';
import type { Node } from '../node.js';

type Verifier = Pick<Node, 'settings' | 'peer' | 'probe' | 'clock' | 'peerView'>;

/**
 * Probes the primary several times before it counts as lost. After FAIL_THRESHOLD failed checks of this node's monitor,
 * the last of them (`evidence`) is enough. Changes nothing. Resolves to the last probe.
 * @throws Refused `primary-healthy`, `primary-busy`, `isolated`
 */
export const verifyOutage = (
  node: Verifier,
  steps: Steps<'confirm'>,
  command: PromoteCommand,
  source: Source,
  evidence: PeerProbe | undefined,
): Promise<PeerProbe> =>
  steps.step('confirm', async (context) => {
    if (command.force) {
      const probe = await probePeer(node);
      context.say(`forced; ${probe.summary}`);
      return probe;
    }
    const asker = askerOf(source);
    const probe =
      source === 'monitor'
        ? await probeOnce(node, evidence)
        : await probeRepeatedly(node, asker, context);
    const witness = await probeWitness(node);
    const seen = `${probe.summary}, ${witness.summary}`;
    const why = assertMayTakeOver({ ...probe.views, witness: witness.view, asker }, seen);
    context.say(`${why} (${seen})`);
    return probe;
  });

/** Milliseconds. Older evidence is not used: while the promote waited for another operation, the primary may have returned. */
const EVIDENCE_MAX_AGE = 1_000;

export const isFresh = ({ clock }: Pick<Node, 'clock'>, { endedAt }: PeerProbe): boolean =>
  clock.elapsed() - endedAt < EVIDENCE_MAX_AGE;

const probeOnce = async (node: Verifier, evidence: PeerProbe | undefined): Promise<PeerProbe> =>
  evidence !== undefined && isFresh(node, evidence) ? evidence : probePeer(node);

/** Only a webhook or an operator reports from outside this machine. */
const askerOf = (source: Source): Asker =>
  source === 'webhook' || source === 'operator' ? source : 'monitor';

/** @throws Refused as soon as the primary shows a sign of life */
const probeRepeatedly = async (
  node: Verifier,
  asker: Asker,
  { signal, say }: StepContext,
): Promise<PeerProbe> => {
  const { confirmChecks, confirmInterval } = node.settings;
  for (let check = 1; ; check += 1) {
    const probe = await probePeer(node);
    say(`check ${check} of ${confirmChecks}: ${probe.summary}`);
    // The witness is asked once, at the end.
    assertMayTakeOver({ ...probe.views, witness: 'unset', asker }, probe.summary);
    if (check >= confirmChecks) return probe;
    await node.clock.sleep(confirmInterval, signal);
  }
};

/** Returns why a takeover is allowed. @throws Refused as the takeover table says */
export const assertMayTakeOver = (situation: Situation, seen: string): string => {
  const { refuse, reason } = decide(situation);
  if (refuse === undefined) return reason;
  throw new Refused(refuse, `${reason} (${seen})`, REMEDIES[refuse], { value: situation });
};

const REMEDIES = {
  'primary-healthy':
    'nothing to do; for a planned switch POST /promote {"planned": true}, to take over regardless {"force": true}',
  'primary-busy':
    'wait until it has ended: GET /status on the other node; to take over regardless POST /promote {"force": true}',
  isolated:
    'check this node\'s network; a webhook or a POST /promote from outside overrules this, and so does {"force": true}',
};
