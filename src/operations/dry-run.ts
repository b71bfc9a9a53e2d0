import type { DemoteCommand, PromoteCommand } from '../pure/commands.js';
import { ColdspareError, toColdspareError } from '../pure/errors.js';
import { chooseBackup, sayLoss } from './choose-steps.js';
import { planHandover, refuseDemote } from './handover.js';
import { lookAtPeer } from './look.js';
import type { Node } from './node.js';
import { planPromote, refusePromote } from './promote.js';
import { newRestoration } from './restore-steps.js';

/** What an operation would do, found out without changing anything. */
export interface DryRun {
  wouldRun: boolean;
  /** Why it would be refused. */
  refusal: { code: string; message: string; remedy: string } | null;
  peer: string;
  /** The backup it would start from, and what would be lost. */
  backup: string | null;
  loss: string | null;
  steps: string[];
}

export const dryRunPromote = async (node: Node, command: PromoteCommand): Promise<DryRun> => {
  const look = await lookAtPeer(node);
  const refusals = [
    whyRefused(() => refusePromote(node, command)),
    look.serves && !command.force
      ? new ColdspareError(
          'primary-healthy',
          `the primary serves: ${look.summary}`,
          'for a planned switch POST /promote {"planned": true}',
        )
      : undefined,
  ];
  const { value: backup, error: noBackup } = attempt(() =>
    chooseBackup(node, command, newRestoration(0)),
  );
  const refusal = [...refusals, 'error' in look.agent ? noBackup : undefined].find(
    (error) => error !== undefined,
  );
  return {
    wouldRun: refusal === undefined,
    refusal:
      refusal === undefined
        ? null
        : { code: refusal.code, message: refusal.message, remedy: refusal.remedy },
    peer: look.summary,
    backup: backup?.id ?? null,
    loss:
      backup === undefined
        ? null
        : `without a last dump of the old primary ${sayLoss(node, backup, undefined)}`,
    steps: planPromote(node, command, 'operator').steps.map(({ name }) => name),
  };
};

export const dryRunDemote = async (node: Node, command: DemoteCommand): Promise<DryRun> => {
  const look = await lookAtPeer(node);
  const refusal = whyRefused(() => refuseDemote(node));
  return {
    wouldRun: refusal === undefined && !('error' in look.agent),
    refusal:
      refusal === undefined
        ? null
        : { code: refusal.code, message: refusal.message, remedy: refusal.remedy },
    peer: look.summary,
    backup: null,
    loss: 'nothing is lost: the last dump is taken after the last write',
    steps: planHandover(node, command).steps.map(({ name }) => name),
  };
};

const whyRefused = (check: () => void): ColdspareError | undefined => attempt(check).error;

const attempt = <T>(action: () => T): { value?: T; error?: ColdspareError } => {
  try {
    return { value: action() };
  } catch (error) {
    return { error: toColdspareError(error) };
  }
};
