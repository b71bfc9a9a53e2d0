import { isHealthy, type ProbeResult, sayProbe } from '../ports/probe.js';
import { toColdspareError } from '../pure/errors.js';
import type { NodeStatus } from '../pure/status.js';
import { type AppView, primaryServes } from '../pure/verdict.js';
import type { Node } from './node.js';

/** One look at the peer: its agent and its app, each with a deadline, both at once. */
export interface Look {
  /** The peer's agent, or why it could not be asked. */
  agent: NodeStatus | { error: string };
  app: ProbeResult | undefined;
  serves: boolean;
  /** In one line, for reports. */
  summary: string;
}

export const lookAtPeer = async (node: Node): Promise<Look> => {
  const { primaryCheckUrl, checkTimeout } = node.settings;
  const [agent, app] = await Promise.all([
    node.peer.status().catch((error: unknown) => ({ error: toColdspareError(error).message })),
    primaryCheckUrl === undefined ? undefined : node.probe.get(primaryCheckUrl, checkTimeout),
  ]);
  node.observed.peer = { value: agent, at: node.clock.now() };
  const serves = primaryServes(agentView(agent), appView(app));
  return { agent, app, serves, summary: `${sayAgent(agent)}, ${sayApp(app)}` };
};

const agentView = (agent: Look['agent']) => {
  if ('error' in agent) return 'unreachable';
  return agent.serving ? 'serving' : 'not-serving';
};

const appView = (app: ProbeResult | undefined): AppView => {
  if (app === undefined) return 'unknown';
  return isHealthy(app) ? 'healthy' : 'unhealthy';
};

const sayAgent = (agent: Look['agent']): string =>
  'error' in agent
    ? 'its agent does not answer'
    : `its agent says ${agent.mode}${agent.serving ? ', serving' : ', not serving'}`;

const sayApp = (app: ProbeResult | undefined): string =>
  app === undefined
    ? 'its app is not watched (PRIMARY_CHECK_URL is not set)'
    : `its app ${sayProbe(app)}`;
