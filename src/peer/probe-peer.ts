import { type ColdspareError, isError, toColdspareError } from '../domain/errors.js';
import type { OperationKind } from '../domain/operation.js';
import type { NodeStatus } from '../domain/status.js';
import {
  type AgentView,
  type AppView,
  isAlive,
  type WitnessView,
} from '../domain/takeover-verdict.js';
import type { Node } from '../operations/node.js';
import { formatProbe, isHealthy, type ProbeResult } from '../ports/probe.js';

/** One look at the peer: its agent and its app, each with a deadline, both at once. */
export interface PeerProbe {
  /** The peer's agent, or why it could not be asked. */
  agent: NodeStatus | { error: string };
  /** Why no agent answered; undefined when one did, be it with a refusal. */
  silence: ColdspareError | undefined;
  /** Both as the table of decisions knows them. */
  views: { agent: AgentView; app: AppView };
  serves: boolean;
  /** In one line, for reports. */
  summary: string;
}

export const probePeer = async (node: Node): Promise<PeerProbe> => {
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
  node.observed.peer = { value: agent, at: node.clock.now() };
  if (!('error' in agent)) {
    node.observed.alone = undefined;
    node.observed.fenced = undefined;
    node.observed.answer = { value: agent, at: node.clock.now() };
  }
  const views = { agent: agentView(agent), app: appView(app) };
  const summary = `${sayAgent(agent)}, ${sayApp(app)}`;
  const look = { agent, silence, views, serves: isAlive(views), summary };
  node.observed.look = { value: look, endedAt: node.clock.elapsed() };
  return look;
};

/** Milliseconds after a look within which another one would see the same. */
const JUST_NOW = 1_000;

/** What the last look saw, when that was just now: asked again at once, a machine has nothing new to tell. */
export const seenJustNow = ({ observed, clock }: Node): PeerProbe | undefined => {
  const { look } = observed;
  return look !== undefined && clock.elapsed() - look.endedAt < JUST_NOW ? look.value : undefined;
};

/** The service as the outside sees it, through VCL1. */
export const probeWitness = async (node: Node): Promise<{ view: WitnessView; summary: string }> => {
  const { witnessUrl, witnessTimeout } = node.settings;
  if (witnessUrl === undefined) return { view: 'unset', summary: 'there is no witness' };
  const seen = await node.probe.get(witnessUrl, witnessTimeout);
  return { view: witnessView(seen), summary: `the witness ${formatProbe(seen)}` };
};

/** Backups and drills give way to a fence, and a fence is what we are about to ask for. */
const HARMLESS: ReadonlySet<OperationKind> = new Set(['backup', 'push', 'drill', 'fence']);

const agentView = (agent: PeerProbe['agent']): AgentView => {
  if ('error' in agent) return 'unreachable';
  if (agent.serving) return 'serving';
  // It waits for our answer, and our link to it is the only one that works: its boot would not end.
  if (agent.alone !== null && agent.policy.alone === 'wait') return 'idle';
  const kind = agent.operation?.kind;
  return kind === undefined || HARMLESS.has(kind) ? 'idle' : 'busy';
};

const appView = (app: ProbeResult | undefined): AppView => {
  if (app === undefined) return 'unwatched';
  return isHealthy(app) ? 'healthy' : 'down';
};

/** Anything below 500 comes from a service that works, if only to say "not you" or "elsewhere". */
const witnessView = (seen: ProbeResult): WitnessView => {
  if (seen.outcome !== 'answers') return 'mute';
  return seen.status >= 500 ? 'fails' : 'serves';
};

const sayAgent = (agent: PeerProbe['agent']): string => {
  if ('error' in agent) return 'its agent does not answer';
  const doing = agent.operation === null ? '' : `, in the middle of ${agent.operation.id}`;
  return `its agent says ${agent.mode}, ${agent.serving ? 'serving' : 'not serving'}${doing}`;
};

const sayApp = (app: ProbeResult | undefined): string =>
  app === undefined
    ? 'its app is not watched (PRIMARY_CHECK_URL is not set)'
    : `its app ${formatProbe(app)}`;
