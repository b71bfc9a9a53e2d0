import type { PromoteCommand } from '../../domain/commands.js';
import { Refused } from '../../domain/errors.js';
import type { Source } from '../../domain/operation.js';
import { type Asker, decide, type Situation } from '../../domain/takeover-verdict.js';
import type { Step, StepContext } from '../../engine/plan.js';
import { type PeerProbe, probePeer, probeWitness, seenJustNow } from '../../peer/probe-peer.js';
import type { Node } from '../node.js';

/**
 * Looks at the primary several times before anybody's word for its death is taken. The monitor of this node has seen
 * FAIL_THRESHOLD checks fail itself, the last one just now. Changes nothing.
 */
export const confirmStep = (node: Node, command: PromoteCommand, source: Source): Step => ({
  name: 'confirm',
  run: async (context) => {
    if (command.force) return `forced; ${(await probePeer(node)).summary}`;
    const asker = askerOf(source);
    const { views, summary } =
      source === 'monitor'
        ? (seenJustNow(node) ?? (await probePeer(node)))
        : await seeItDown(node, asker, context);
    const witness = await probeWitness(node);
    const seen = `${summary}, ${witness.summary}`;
    return `${assertMayTakeOver({ ...views, witness: witness.view, asker }, seen)} (${seen})`;
  },
});

/** What came from inside the machine is no report of the outside. */
const askerOf = (source: Source): Asker =>
  source === 'webhook' || source === 'operator' ? source : 'monitor';

/** @throws Refused at the first sign of life */
const seeItDown = async (
  node: Node,
  asker: Asker,
  { signal, say }: StepContext,
): Promise<PeerProbe> => {
  const { confirmChecks, confirmInterval } = node.settings;
  for (let check = 1; ; check += 1) {
    const look = await probePeer(node);
    say(`check ${check} of ${confirmChecks}: ${look.summary}`);
    // The witness is asked once, at the end.
    assertMayTakeOver({ ...look.views, witness: 'unset', asker }, look.summary);
    if (check >= confirmChecks) return look;
    await node.clock.sleep(confirmInterval, signal);
  }
};

/** Why it may be done. @throws Refused as the table of decisions says */
export const assertMayTakeOver = (situation: Situation, seen: string): string => {
  const { refuse, reason } = decide(situation);
  if (refuse === undefined) return reason;
  throw new Refused(refuse, `${reason} (${seen})`, REMEDIES[refuse], { value: situation });
};

const REMEDIES = {
  'primary-healthy':
    'nothing to do; for a planned switch POST /promote {"planned": true}, to take over all the same {"force": true}',
  'primary-busy':
    'wait until it has ended: GET /status on the other node; to take over all the same POST /promote {"force": true}',
  isolated:
    'check this node\'s network; a webhook or a POST /promote from outside overrules this, and so does {"force": true}',
};
