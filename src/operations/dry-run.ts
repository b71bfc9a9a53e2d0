import type { DryRun } from '../domain/answers.js';
import type { DemoteCommand, PromoteCommand } from '../domain/commands.js';
import { ColdspareError, isError, Refused, toColdspareError } from '../domain/errors.js';
import type { Plan } from '../engine/operation.js';
import { type PeerProbe, probePeer, probeWitness } from '../peer/probe-peer.js';
import { knownObstacle } from '../serve/app.js';
import {
  assertMayDemote,
  assertNoObstacle,
  assertPeerReady,
  type HandoverNode,
  planHandover,
} from './handover/handover.js';
import type { Node } from './node.js';
import { assertMayPromote, isRescuePossible, planPromote } from './promote/promote.js';
import { assertMayTakeOver } from './promote/verify-outage.js';

/** What this node says of itself in its status. */
type SelfView = Parameters<typeof assertNoObstacle>[0];

const OPERATOR = { source: 'operator' } as const;

/** Reports what a promote would do and lose now, and whether it would be refused. Changes nothing. */
export const dryRunPromote = async (
  node: Node,
  command: PromoteCommand,
  self: SelfView,
): Promise<DryRun> => {
  if (command.planned) return dryRunPlanned(node, command, self);
  if (node.state.current.mode === 'yielding') return dryRunReclaim(node, command);
  const probe = await probePeer(node);
  const witness = await probeWitness(node);
  const peer = `${probe.summary}, ${witness.summary}`;
  const situation = { ...probe.views, witness: witness.view, asker: 'operator' } as const;
  const plan = planPromote(node, command, OPERATOR);
  const refusal = firstRefusal(
    () => assertMayPromote(node, command),
    () => node.runner.assertNotBusy(plan),
    () => command.force || assertMayTakeOver(situation, peer),
    () => isRescuePossible(node) || node.replication.assessLoss(command.force),
    () => command.force || assertRestorable(node, self),
    () => assertAppCouldStart(node),
  );
  return { ...report(plan, peer, refusal), ...startingPoint(node) };
};

/** A planned promote is a handover, which would run on the primary. */
const dryRunPlanned = async (
  node: Node,
  command: PromoteCommand,
  self: SelfView,
): Promise<DryRun> => {
  const { agent, summary } = await probePeer(node);
  const refusal = firstRefusal(
    () => assertMayPromote(node, command),
    () => assertPrimary(agent),
    () => assertNoObstacle(self),
  );
  return report(planHandover(node, command), summary, refusal);
};

/** A yielding node would serve its own data again. */
const dryRunReclaim = async (node: Node, command: PromoteCommand): Promise<DryRun> => {
  const { summary } = await probePeer(node);
  const plan = planPromote(node, command, OPERATOR);
  const refusal = firstRefusal(
    () => assertMayPromote(node, command),
    () => node.runner.assertNotBusy(plan),
  );
  return {
    ...report(plan, summary, refusal),
    loss: 'nothing is lost: it serves its own data again',
  };
};

/** Reports what a handover would do now, and whether it would be refused. Changes nothing. */
export const dryRunDemote = async (
  node: HandoverNode & Pick<Node, 'runner'>,
  command: DemoteCommand,
): Promise<DryRun> => {
  const { agent, summary } = await probePeer(node);
  const plan = planHandover(node, command);
  const refusal = firstRefusal(
    () => assertMayDemote(node),
    () => node.runner.assertNotBusy(plan),
    () => assertPeerReady(node, agent),
  );
  return report(plan, summary, refusal);
};

/** The report of a handover. An unplanned promote adds its starting point. */
const report = ({ steps }: Plan, peer: string, refusal: ColdspareError | undefined): DryRun => ({
  wouldRun: refusal === undefined,
  refusal: refusal === undefined ? null : explain(refusal),
  peer,
  backup: null,
  backupAgeSeconds: null,
  prepared: false,
  loss:
    refusal === undefined ? 'nothing is lost: the last dump is taken after the last write' : null,
  steps: [...steps],
});

type StartingPoint = Pick<DryRun, 'backup' | 'backupAgeSeconds' | 'prepared' | 'loss'>;

const startingPoint = ({ replication }: Pick<Node, 'replication'>): StartingPoint => {
  const lag = replication.lag();
  return {
    backup: lag?.backup?.id ?? null,
    backupAgeSeconds: lag === undefined ? null : Math.round(lag.age / 1_000),
    prepared: lag?.isPrepared ?? false,
    loss: lag?.loss ?? null,
  };
};

/** Fails as the request to the primary would. @throws ColdspareError `peer-unreachable`, Refused `peer-refused` */
const assertPrimary = (agent: PeerProbe['agent']): void => {
  if ('error' in agent) {
    throw new ColdspareError(
      'peer-unreachable',
      `the primary cannot be asked to hand over: ${agent.error}`,
      'if the primary is gone: POST /promote without "planned"',
    );
  }
  if (agent.mode === 'primary') return;
  throw new Refused(
    'peer-refused',
    `${agent.node} is ${agent.mode} at epoch ${agent.epoch}: it has no role to give up`,
    'GET /status on both nodes shows who is primary',
    { value: agent.mode },
  );
};

/** A takeover would try again, and only a person can say whether there is hope. @throws Refused `backup-unusable` */
const assertRestorable = ({ replication }: Pick<Node, 'replication'>, self: SelfView): void => {
  const { backup, unusable } = replication.lag() ?? {};
  const prepare = self.details?.['prepare-failed'];
  if (prepare !== undefined)
    throw new Refused(
      'backup-unusable',
      `the last preparation failed, and a takeover would fail in the same way: ${prepare.because}`,
      `${prepare.remedy}; POST /promote {"force": true} tries it now`,
    );
  if (!backup || !unusable) return;
  throw new Refused(
    'backup-unusable',
    `${backup.id} could not be restored when it was tried last, and no other backup is left: ${unusable}`,
    'put right what the message says, then POST /drill tries again; POST /promote {"force": true} takes over if it can be restored now',
    { value: backup.id },
  );
};

/** @throws ColdspareError `app-failed` */
const assertAppCouldStart = (node: Pick<Node, 'state' | 'local'>): void => {
  const obstacle = knownObstacle(node);
  if (isError(obstacle, 'app-failed')) throw obstacle;
};

const explain = ({ code, message, remedy }: ColdspareError): DryRun['refusal'] => ({
  code,
  message,
  remedy,
});

const firstRefusal = (...checks: (() => unknown)[]): ColdspareError | undefined => {
  try {
    for (const check of checks) check();
    return undefined;
  } catch (error) {
    return toColdspareError(error);
  }
};
