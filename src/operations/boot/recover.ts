import type { DemoteCommand, PromoteCommand } from '../../domain/commands.js';
import type { OperationRecord, Source } from '../../domain/operation.js';
import type { Plan } from '../../engine/plan.js';
import { stopAppStep } from '../../serve/serve.js';
import { planInterruptedHandover } from '../handover/handover.js';
import type { Node } from '../node.js';
import { planPromote } from '../promote/promote.js';
import { tidyStep } from '../restore/restore.js';
import { planBoot, planStandDown, primarySteps } from './boot.js';

/** Milliseconds. What was asked for longer ago was asked about a world that may be another one by now. */
const RESUME_WITHIN = 600_000;
/** An operation that crashed the agent this often is not tried again. */
const MAX_ATTEMPTS = 3;

/**
 * After a start of the agent: takes up the operation that was cut, or writes down how it ended, and makes what
 * runs here agree with the role on disk.
 */
export const recover = async (node: Node): Promise<void> => {
  for (const record of node.runner.list().filter(({ state }) => state === 'running')) {
    const plan = planAgain(node, record);
    if (plan !== undefined && node.runner.current === undefined)
      await node.runner.resume(plan, record);
    else await node.runner.close(record, endingOf(node, record));
  }
  if (node.runner.current === undefined) {
    await node.runner.start(planBoot(node, 'the agent was started'), { source: 'agent' });
  }
};

/** The rest of an operation that was cut; undefined when what is left is what a boot does anyway. */
const planAgain = (node: Node, record: OperationRecord): Plan | undefined => {
  const { id, kind, command, attempt } = record;
  const { mode, promotion, yielding, standDown } = node.state.current;
  if (kind === 'promote' && promotion?.operation === id) return planRest(node, command);
  // What is still "running" may have ended, only the disk did not take that any more. A primary has nothing to take
  // over; and a takeover that the peer was told has failed would go by a backup that the peer has written past.
  const mayGoOn =
    mode !== 'primary' &&
    command.type !== 'take-over' &&
    attempt < MAX_ATTEMPTS &&
    isRecent(node, record);
  if (kind === 'promote' && mayGoOn) return planPromotion(node, command);
  if (kind === 'handover' && yielding?.operation === id) {
    return planInterruptedHandover(node, command as unknown as DemoteCommand);
  }
  if (kind === 'stand-down' && standDown !== null) return planStandDown(node);
  return undefined;
};

/** By a clock that may have been set back meanwhile, which says nothing. */
const isRecent = ({ clock }: Node, { startedAt, steps }: OperationRecord): boolean => {
  const last = steps.at(-1);
  const age = clock.now() - Date.parse(last?.endedAt ?? last?.startedAt ?? startedAt);
  return Math.abs(age) < RESUME_WITHIN;
};

/** Past its commit a promote has only to serve, after the question that every start asks. */
const planRest = (node: Node, command: OperationRecord['command']): Plan => ({
  kind: 'promote',
  reason: 'cut after its commit',
  command,
  steps: [...primarySteps(node), tidyStep(node)],
  isCommitted: () => true,
  isPreemptible: () => node.state.current.standDown !== null,
});

/** From the start again, every step is safe to repeat; but first an app that somebody started meanwhile has to go (H19). */
const planPromotion = (node: Node, command: OperationRecord['command']): Plan => {
  const plan = planPromote(node, command as unknown as PromoteCommand, command.source as Source);
  return { ...plan, steps: [stopAppStep(node), ...plan.steps] };
};

const endingOf = (
  node: Node,
  { id, kind, epoch, command }: OperationRecord,
): Pick<OperationRecord, 'state' | 'committed' | 'error'> => {
  const { mode, epoch: now, yielding, lineage } = node.state.current;
  const handedOver = kind === 'handover' && mode === 'standby' && now > epoch;
  const hasYielded = kind === 'fence' && yielding !== null;
  // A boot does the rest of it.
  const hasAdopted = kind === 'adopt' && command.lineage === lineage;
  const isDone = handedOver || hasYielded || hasAdopted || kind === 'stand-down';
  return {
    state: isDone ? 'done' : 'rolled-back',
    committed: isDone,
    error: isDone
      ? null
      : {
          code: 'interrupted',
          message: `the agent was stopped or killed during ${id}; nothing of it is in effect`,
          remedy: 'ask again if it is still wanted',
        },
  };
};
