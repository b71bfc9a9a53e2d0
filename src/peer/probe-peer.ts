import type { Settings } from '../config/settings.js';
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
import { isProven, noteProven } from '../state/baseline.js';
import type { NodeState } from '../state/node-state.js';
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

export type ProbeSettings = Pick<
  Settings,
  'primaryCheckUrl' | 'appHealthUrl' | 'appHealth' | 'checkTimeout'
>;

interface Prober {
  settings: ProbeSettings;
  state: NodeState;
  peer: Pick<Peer, 'status'>;
  probe: Probe;
  clock: Clock;
  peerView: PeerView;
}

/** Asks the peer's agent and its app, and records the answers in `peerView`. Never throws. */
export const probePeer = async (node: Prober): Promise<PeerProbe> => {
  const { primaryCheckUrl, appHealth, checkTimeout } = node.settings;
  let silence: ColdspareError | undefined;
  const [agent, app] = await Promise.all([
    node.peer.status().catch((thrown: unknown) => {
      const error = toColdspareError(thrown);
      if (isError(error, 'peer-unreachable')) silence = error;
      return { error: error.message };
    }),
    primaryCheckUrl === undefined
      ? undefined
      : node.probe.get(primaryCheckUrl, checkTimeout, appHealth),
  ]);
  remember(node, agent);
  await compareCheck(node, agent, app);
  const views = { agent: agentView(node, agent), app: appView(node, app, silence) };
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

/** Milliseconds of contradiction after which a check that once agreed has to prove itself anew. */
const UNLEARN_AFTER = 60_000;

/** What the peer's agent says of its own app is the measure of PRIMARY_CHECK_URL. */
const compareCheck = async (
  node: Prober,
  agent: PeerProbe['agent'],
  app: ProbeResult | undefined,
): Promise<void> => {
  if (app === undefined || 'error' in agent) return;
  const { peerView, clock } = node;
  if (isHealthy(app) === agent.serving) {
    peerView.checkUnfit = undefined;
    if (agent.serving) await noteProven(node, 'PRIMARY_CHECK_URL', true);
    return;
  }
  // What an operation stops and starts looks different from one moment to the next.
  if (agent.operation !== null) return;
  const { since } = peerView.checkUnfit ?? { since: clock.elapsed() };
  const said = agent.serving ? 'its app serves' : 'its app does not serve';
  peerView.checkUnfit = {
    since,
    detail: `it ${formatProbe(app)} while its agent says that ${said}`,
  };
  // A check that says yes while the app does not serve is still believed: it only keeps a takeover from happening.
  if (agent.serving && clock.elapsed() - since >= UNLEARN_AFTER)
    await noteProven(node, 'PRIMARY_CHECK_URL', false);
};

interface WitnessProber {
  settings: { witnessUrl: string | undefined; witnessTimeout: number };
  state: NodeState;
  probe: Probe;
}

/** The service as the outside sees it, through VCL1. Never throws. */
export const probeWitness = async (
  node: WitnessProber,
): Promise<{ view: WitnessView; summary: string }> => {
  const { witnessUrl, witnessTimeout } = node.settings;
  if (witnessUrl === undefined) return { view: 'unset', summary: 'there is no witness' };
  const seen = await node.probe.get(witnessUrl, witnessTimeout);
  const view = witnessView(seen);
  const summary = `the witness ${formatProbe(seen)}`;
  if (view === 'serves' || isProven(node, 'WITNESS_URL')) return { view, summary };
  return { view: 'unfit', summary: `${summary}, and has never seen the service` };
};

const agentView = (node: Prober, agent: PeerProbe['agent']): AgentView => {
  if ('error' in agent) return 'unreachable';
  if (agent.serving) return 'serving';
  // Its boot waits until it reaches us (ALONE=wait, or its witness says that we serve). If only our link to it works, that
  // boot never ends.
  const last = agent.operation?.steps.at(-1);
  const isAsking = last?.name === 'ask-peer' && last.state === 'running';
  if (agent.alone !== null && (isAsking || agent.policy.alone === 'wait')) return 'idle';
  const kind = agent.operation?.kind;
  // A fence is what we are about to ask for.
  if (kind !== undefined && kind !== 'fence' && affectsApp(kind)) return 'busy';
  if (agent.problems.includes('fails-on-both')) return 'fails-alike';
  const isBlind = agent.problems.includes('health-unfit') && !isProven(node, 'APP_HEALTH_URL');
  return isBlind ? 'blind' : 'idle';
};

const appView = (
  node: Prober,
  app: ProbeResult | undefined,
  silence: ColdspareError | undefined,
): AppView => {
  if (app === undefined) return 'unwatched';
  if (isHealthy(app)) return 'healthy';
  if (isProven(node, 'PRIMARY_CHECK_URL')) return 'down';
  return app.outcome === 'silent' && isMachineSilent(silence) ? 'unwatched' : 'unproven';
};

/** Nothing came back from the machine, not even a refusal. */
const isMachineSilent = (silence: ColdspareError | undefined): boolean =>
  silence !== undefined && !/refuses|hangs|broke off/.test(String(silence.value));

/** Only a 2xx is the service. A redirect or a refusal may come from whatever stands before it. */
const witnessView = (seen: ProbeResult): WitnessView => {
  if (isHealthy(seen)) return 'serves';
  if (seen.outcome === 'breaks') return 'unfit';
  if (seen.outcome !== 'answers') return 'mute';
  return seen.status >= 500 ? 'fails' : 'unfit';
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
