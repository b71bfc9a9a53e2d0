import { type ColdspareError, isError, toColdspareError } from '../domain/errors.js';
import { affectsApp } from '../domain/operation.js';
import type { NodeStatus } from '../domain/status.js';
import {
  type AgentView,
  type AppView,
  isAlive,
  type WitnessView,
} from '../domain/takeover-verdict.js';
import type { Clock } from '../ports/clock.js';
import { formatProbe, isHealthy, type Probe, type ProbeResult } from '../ports/probe.js';
import type { Peer } from './peer.js';
import type { PeerView } from './peer-view.js';

/** One probe of the peer: its agent and its app at the same time, each with a deadline. */
export interface PeerProbe {
  /** The peer's agent, or why it could not be asked. */
  agent: NodeStatus | { error: string };
  /** Why no agent answered; undefined when one answered, even with a refusal. */
  silence: ColdspareError | undefined;
  /** Both as the takeover table classifies them (domain/takeover-verdict.ts). */
  views: { agent: AgentView; app: AppView };
  serves: boolean;
  /** One line for reports. */
  summary: string;
  /** `clock.elapsed()` when both had answered or timed out. */
  endedAt: number;
}

interface Prober {
  settings: { primaryCheckUrl: string | undefined; checkTimeout: number };
  peer: Pick<Peer, 'status'>;
  probe: Probe;
  clock: Clock;
  peerView: PeerView;
}

/** Asks the peer's agent and its app, and records the answers in `peerView`. Never throws. */
export const probePeer = async (node: Prober): Promise<PeerProbe> => {
  const { primaryCheckUrl, checkTimeout } = node.settings;
  let silence: ColdspareError | undefined;
  const [agent, app] = await Promise.all([
    node.peer.status().catch((thrown: unknown) => {
      const error = toColdspareError(thrown);
      if (isError(error, 'peer-unreachable')) silence = error;
      return { error: error.message };
    }),
    primaryCheckUrl === undefined ? undefined : node.probe.get(primaryCheckUrl, checkTimeout),
  ]);
  remember(node, agent);
  const views = { agent: agentView(agent), app: appView(app) };
  const summary = `${formatAgent(agent)}, ${formatApp(app)}`;
  return {
    ...{ agent, silence, views, summary },
    serves: isAlive(views),
    endedAt: node.clock.elapsed(),
  };
};

const remember = ({ peerView, clock }: Prober, agent: PeerProbe['agent']): void => {
  peerView.last = { value: agent, at: clock.now() };
  if ('error' in agent) return;
  peerView.servingWithoutPeer = undefined;
  peerView.fenced = undefined;
  peerView.answer = { value: agent, at: clock.now() };
};

/** The service as the outside sees it, through VCL1. Never throws. */
export const probeWitness = async ({
  settings: { witnessUrl, witnessTimeout },
  probe,
}: {
  settings: { witnessUrl: string | undefined; witnessTimeout: number };
  probe: Probe;
}): Promise<{ view: WitnessView; summary: string }> => {
  if (witnessUrl === undefined) return { view: 'unset', summary: 'there is no witness' };
  const seen = await probe.get(witnessUrl, witnessTimeout);
  return { view: witnessView(seen), summary: `the witness ${formatProbe(seen)}` };
};

const agentView = (agent: PeerProbe['agent']): AgentView => {
  if ('error' in agent) return 'unreachable';
  if (agent.serving) return 'serving';
  // With ALONE=wait its boot waits until it reaches us. If only our link to it works, that boot never ends.
  if (agent.alone !== null && agent.policy.alone === 'wait') return 'idle';
  const kind = agent.operation?.kind;
  // A fence is what we are about to ask for.
  return kind !== undefined && kind !== 'fence' && affectsApp(kind) ? 'busy' : 'idle';
};

const appView = (app: ProbeResult | undefined): AppView => {
  if (app === undefined) return 'unwatched';
  return isHealthy(app) ? 'healthy' : 'down';
};

/** Anything below 500 comes from a working service, even a redirect or a refusal. */
const witnessView = (seen: ProbeResult): WitnessView => {
  if (seen.outcome !== 'answers') return 'mute';
  return seen.status >= 500 ? 'fails' : 'serves';
};

const formatAgent = (agent: PeerProbe['agent']): string => {
  if ('error' in agent) return 'its agent does not answer';
  const doing = agent.operation === null ? '' : `, in the middle of ${agent.operation.id}`;
  return `its agent says ${agent.mode}, ${agent.serving ? 'serving' : 'not serving'}${doing}`;
};

const formatApp = (app: ProbeResult | undefined): string =>
  app === undefined
    ? 'its app is not watched (PRIMARY_CHECK_URL is not set)'
    : `its app ${formatProbe(app)}`;
