import {
  type Finding,
  nodeFindings,
  nodeNotes,
  pairFindings,
} from '../../domain/conditions/findings.js';
import { type NodeStatus, nodeStatusSchema } from '../../domain/status.js';
import type { AgentClient } from '../agent-client.js';
import type { Context, Outcome } from '../context.js';
import { EXIT, Failure } from '../failure.js';

/** The problems of this node, of the other one and of the pair, as far as their agents know. */
export const doctor = async ({ agent, peer }: Context): Promise<Outcome> => {
  const { body: own } = await agent.get('/status', nodeStatusSchema);
  const other = await fetchStatus(peer ?? agent.at(new URL(own.peer.url)));
  const nodes = other instanceof Failure ? [own] : [own, other];
  const findings = [...findingsBetween(own, other), ...nodes.flatMap(nodeFindings)];
  const notes = nodes.flatMap(nodeNotes);
  const wrong = findings.length === 0 ? 'Nothing is wrong.' : `${findings.length} found.`;
  return {
    value: { findings, notes },
    lines: [
      ...findings.flatMap(formatFinding),
      ...(notes.length === 0 ? [wrong] : [`${wrong} To be known:`]),
      ...notes.flatMap(formatFinding),
    ],
    exit: findings.length === 0 ? EXIT.done : EXIT.failed,
  };
};

const formatFinding = ({ server, what, remedy }: Finding): string[] => [
  `${server.padEnd(8)} ${what}`,
  `${''.padEnd(8)} → ${remedy}`,
];

const findingsBetween = (own: NodeStatus, other: NodeStatus | Failure): Finding[] => {
  if (other instanceof Failure)
    return [{ server: 'peer', what: other.message, remedy: other.remedy }];
  if (other.node !== own.node) return pairFindings(own, other);
  return [
    {
      server: 'pair',
      what: `${own.node} and what its PEER_URL leads to (${own.peer.url}) both say that they are ${own.node}`,
      remedy: `set PEER_URL of ${own.node} to the other node's agent, and give each node a NODE_NAME of its own`,
    },
  ];
};

const fetchStatus = async (agent: AgentClient): Promise<NodeStatus | Failure> => {
  try {
    return (await agent.get('/status', nodeStatusSchema)).body;
  } catch (error) {
    if (error instanceof Failure) return error;
    throw error;
  }
};
