import type { DryRun } from '../pure/answers.js';
import type { DemoteCommand, PromoteCommand } from '../pure/commands.js';
import { type ColdspareError, toColdspareError } from '../pure/errors.js';
import type { Mode } from '../pure/transitions.js';
import { chooseBackup, mayBeRescued, sayLoss } from './choose-steps.js';
import { goAhead } from './confirm-step.js';
import { planHandover, refuseDemote } from './handover.js';
import { lookAtPeer, lookAtWitness } from './look.js';
import type { Node } from './node.js';
import { planPromote, refusePromote } from './promote.js';
import { newRestoration } from './restore-steps.js';

export const dryRunPromote = (node: Node, command: PromoteCommand): Promise<DryRun> =>
  command.planned
    ? dryRunHandover(node, command, 'primary', () => refusePromote(node, command))
    : dryRunTakeOver(node, command);

const dryRunTakeOver = async (node: Node, command: PromoteCommand): Promise<DryRun> => {
  const look = await lookAtPeer(node);
  const witness = await lookAtWitness(node);
  const peer = `${look.summary}, ${witness.summary}`;
  const situation = { ...look.views, witness: witness.view, asker: 'operator' } as const;
  const choice = attempt(() => chooseBackup(node, command, newRestoration(0)));
  const refusal =
    whyRefused(() => refusePromote(node, command)) ??
    (command.force ? undefined : whyRefused(() => goAhead(situation, peer))) ??
    (mayBeRescued(node) ? undefined : choice.error);
  return {
    wouldRun: refusal === undefined,
    refusal: refusal === undefined ? null : explain(refusal),
    peer,
    backup: choice.value?.id ?? null,
    loss:
      choice.value === undefined
        ? null
        : `without a last dump of the old primary ${sayLoss(node, choice.value, undefined)}`,
    steps: planPromote(node, command, 'operator').steps.map(({ name }) => name),
  };
};

export const dryRunDemote = (node: Node, command: DemoteCommand): Promise<DryRun> =>
  dryRunHandover(node, command, 'standby', () => refuseDemote(node));

/** A handover is the primary's, whichever of the two asks for it. */
const dryRunHandover = async (
  node: Node,
  { reason }: Pick<DemoteCommand, 'reason'>,
  peerMode: Mode,
  refuse: () => void,
): Promise<DryRun> => {
  const look = await lookAtPeer(node);
  const refusal = whyRefused(refuse);
  const isPeerReady = !('error' in look.agent) && look.agent.mode === peerMode;
  return {
    wouldRun: refusal === undefined && isPeerReady,
    refusal: refusal === undefined ? null : explain(refusal),
    peer: look.summary,
    backup: null,
    loss: 'nothing is lost: the last dump is taken after the last write',
    steps: planHandover(node, { reason, dryRun: true }).steps.map(({ name }) => name),
  };
};

const explain = ({ code, message, remedy }: ColdspareError): DryRun['refusal'] => ({
  code,
  message,
  remedy,
});

const whyRefused = (check: () => void): ColdspareError | undefined => attempt(check).error;

const attempt = <T>(action: () => T): { value?: T; error?: ColdspareError } => {
  try {
    return { value: action() };
  } catch (error) {
    return { error: toColdspareError(error) };
  }
};
