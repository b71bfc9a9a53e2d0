import { type Finding, nodeFindings, pairFindings } from '../../domain/conditions/findings.js';
import { type NodeStatus, nodeStatusSchema } from '../../domain/status.js';
import type { AgentClient } from '../agent-client.js';
import type { Context, Outcome } from '../context.js';
import { EXIT, Failure } from '../failure.js';

/** The problems of this node, of the other one and of the pair, as far as their agents know. */
export const doctor = async ({ agent, peer }: Context): Promise<Outcome> => {
  const { body: own } = await agent.get('/status', nodeStatusSchema);
  const other = await fetchStatus(peer ?? agent.at(new URL(own.peer.url)));
  const findings: Finding[] =
    other instanceof Failure
      ? [...nodeFindings(own), { server: 'peer', what: other.message, remedy: other.remedy }]
      : [...pairFindings(own, other), ...nodeFindings(own), ...nodeFindings(other)];
  return {
    value: { findings },
    lines: [
      ...findings.flatMap(({ server, what, remedy }) => [
        `${server.padEnd(8)} ${what}`,
        `${''.padEnd(8)} → ${remedy}`,
      ]),
      findings.length === 0 ? 'Nothing is wrong.' : `${findings.length} found.`,
    ],
    exit: findings.length === 0 ? EXIT.done : EXIT.failed,
  };
};

const fetchStatus = async (agent: AgentClient): Promise<NodeStatus | Failure> => {
  try {
    return (await agent.get('/status', nodeStatusSchema)).body;
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
};
