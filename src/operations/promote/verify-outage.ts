import type { PromoteCommand } from '../../domain/commands.js';
import { Refused } from '../../domain/errors.js';
import { formatDuration } from '../../domain/format.js';
import type { Source } from '../../domain/operation.js';
import { type Asker, decide, type Situation } from '../../domain/takeover-verdict.js';
import type { StepContext, Steps } from '../../engine/operation.js';
import { type PeerProbe, probePeer, probeWitness } from '../../peer/probe-peer.js';
import type { Node } from '../node.js';

type Verifier = Pick<
  Node,
  'settings' | 'state' | 'peer' | 'probe' | 'clock' | 'peerView' | 'machine'
>;

/** The last probe, and whether a takeover is only right if the old primary is stopped for certain. */
export interface Outage {
  probe: PeerProbe;
  mustBeFenced: boolean;
}

/**
 * Probes the primary several times before it counts as lost. After FAIL_THRESHOLD failed checks of this node's monitor,
 * the last of them (`evidence`) is enough. Changes nothing.
 * @throws Refused `primary-healthy`, `primary-busy`, `isolated`, `outage-unproven`, `common-cause`
 */
export const verifyOutage = (
  node: Verifier,
  steps: Steps<'confirm'>,
  command: PromoteCommand,
  source: Source,
  evidence: PeerProbe | undefined,
): Promise<Outage> =>
  steps.step('confirm', async (context) => {
    if (command.force) {
      const probe = await probePeer(node);
      context.say(`forced; ${probe.summary}`);
      return { probe, mustBeFenced: false };
    }
    const asker = askerOf(source);
    if (asker !== 'operator') await waitForFirstAnswer(node, context);
    const probe =
      source === 'monitor'
        ? await probeOnce(node, evidence)
        : await probeRepeatedly(node, asker, context);
    const witness = await probeWitness(node);
    const seen = `${probe.summary}, ${witness.summary}`;
    const situation = { ...probe.views, witness: witness.view, asker };
    // Over SSH its app can be stopped, whatever a check says of it.
    const mustBeFenced =
      node.machine !== undefined && decide(situation).refuse === 'outage-unproven';
    const { app } = situation;
    const why = assertMayTakeOver({ ...situation, app: mustBeFenced ? 'unwatched' : app }, seen);
    context.say(`${why} (${seen})`);
    return { probe, mustBeFenced };
  });

/**
 * After a power cut the standby may be the first to boot. As long as its agent is young and has not heard of the primary
 * at all, it waits as long for it as a restarted primary waits for its peer (ALONE_GRACE). A person who asks has looked.
 */
const waitForFirstAnswer = async (node: Verifier, { signal, say }: StepContext): Promise<void> => {
  const { peerView, clock, settings } = node;
  const deadline = (peerView.begunAt ?? Number.NEGATIVE_INFINITY) + settings.aloneGrace;
  while (peerView.answer === undefined && clock.elapsed() < deadline) {
    const left = deadline - clock.elapsed();
    say(
      `this agent has just been started, and the primary, which may be booting too, gets ${formatDuration(left)} more to answer`,
    );
    await clock.sleep(Math.min(settings.confirmInterval, left), signal);
    await probePeer(node);
  }
};

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

/** Nobody could stop the old primary, and nothing proves that its app is down. */
export const mayServe = ({ summary }: PeerProbe): Refused =>
  new Refused(
    'outage-unproven',
    `its app could not be stopped, and PRIMARY_CHECK_URL has never agreed with its agent, so it may serve (${summary})`,
    REMEDIES['outage-unproven'],
  );

/** Returns why a takeover is allowed. @throws Refused as the takeover table says */
export const assertMayTakeOver = (situation: Situation, seen: string): string => {
  const { refuse, reason } = decide(situation);
  if (refuse === undefined) return reason;
  throw new Refused(refuse, `${reason} (${seen})`, REMEDIES[refuse], { value: situation });
};

const REMEDIES = {
  'primary-healthy':
    'nothing to do if the users are served; for a planned switch POST /promote {"planned": true}, to take over regardless {"force": true}',
  'primary-busy':
    'wait until it has ended: GET /status on the other node; to take over regardless POST /promote {"force": true}',
  'outage-unproven':
    'if its app is down: POST /promote from outside, or {"force": true}; then correct the URL of the check: it must answer 2xx whenever the app serves',
  'common-cause':
    'look at what both servers share: the release, the data, APP_HEALTH_URL and its certificate; to take over regardless POST /promote {"force": true}',
  isolated:
    'check this node\'s network; a webhook or a POST /promote from outside overrules this, and so does {"force": true}',
};
