import type { PromoteCommand } from '../pure/commands.js';
import { Refused } from '../pure/errors.js';
import type { Source } from '../pure/operation.js';
import { type Look, lookAtPeer } from './look.js';
import type { Node } from './node.js';
import type { Step, StepContext } from './plan.js';

/** Looks at the primary several times before anybody's word for its death is taken. Changes nothing. */
export const confirmStep = (node: Node, command: PromoteCommand, source: Source): Step => ({
  name: 'confirm',
  run: async (context) => {
    if (command.force) return `forced; ${(await lookAtPeer(node)).summary}`;
    const { summary } = await seeItDown(node, context);
    return `the primary does not serve: ${summary}${await askWitness(node, source)}`;
  },
});

/** @throws Refused `primary-healthy` at the first sign of life, `primary-busy` while it is changing its role itself */
const seeItDown = async (node: Node, { signal, say }: StepContext): Promise<Look> => {
  const { confirmChecks, confirmInterval } = node.settings;
  for (let check = 1; ; check += 1) {
    const look = await lookAtPeer(node);
    say(`check ${check} of ${confirmChecks}: ${look.summary}`);
    refuseServing(look);
    refuseBusy(look);
    if (check >= confirmChecks) return look;
    await node.clock.sleep(confirmInterval, signal);
  }
};

const refuseServing = (look: Look): void => {
  if (!look.serves) return;
  throw new Refused(
    'primary-healthy',
    `the primary serves: ${look.summary}`,
    'nothing to do; for a planned switch POST /promote {"planned": true}, to take over all the same {"force": true}',
  );
};

const refuseBusy = ({ agent }: Look): void => {
  if ('error' in agent || agent.operation === null) return;
  const { kind, id, startedAt } = agent.operation;
  if (kind === 'backup' || kind === 'fence') return;
  throw new Refused(
    'primary-busy',
    `the other agent is in the middle of a ${kind} (${id}, since ${startedAt}), which decides who serves`,
    `wait for its end: GET /operations/${id} on ${agent.node}; to take over all the same POST /promote {"force": true}`,
    { value: id },
  );
};

/**
 * The service as the outside sees it. An answer of 2xx means that only our link is cut; no answer at all, and
 * nobody outside who told us, means that we are the isolated one.
 */
const askWitness = async (node: Node, source: Source): Promise<string> => {
  const { witnessUrl, checkTimeout } = node.settings;
  if (witnessUrl === undefined) return '';
  const seen = await node.probe.get(witnessUrl, checkTimeout);
  if (seen.outcome === 'answers') {
    if (seen.status >= 500) return `; the witness answers ${seen.status}`;
    throw new Refused(
      'primary-healthy',
      `the service answers ${seen.status} to the outside (WITNESS_URL): only the link between the servers is cut`,
      'mend the link; to take over all the same POST /promote {"force": true}',
      { value: seen.status },
    );
  }
  if (source !== 'monitor') return `; the witness ${seen.outcome}`;
  throw new Refused(
    'isolated',
    `neither the primary nor the witness (${seen.outcome}) can be reached, and nobody outside reports an outage: this node is the isolated one`,
    "check this node's network; a webhook or POST /promote from outside overrules this",
  );
};
