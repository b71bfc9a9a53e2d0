import type { PromoteCommand } from '../../domain/commands.js';
import type { OperationRecord, Source } from '../../domain/operation.js';
import type { Plan } from '../../engine/operation.js';
import { dropOldCopies } from '../../replication/dumps/drop-old-copies.js';
import { stopApp } from '../../serve/app.js';
import { SERVE_STEPS } from '../../serve/serve.js';
import { bootPrimary } from '../boot/boot.js';
import type { Node } from '../node.js';
import { planPromote } from './promote.js';

/** Milliseconds. What was asked for longer ago was asked about a world that may be another one by now. */
const RESUME_WITHIN = 600_000;
/** An operation that crashed the agent this often is not tried again. */
const MAX_ATTEMPTS = 3;

/** Past its commit a promote has only to serve, after the question that every start asks. */
export const planPromoteRemainder = (
  node: Node,
  { id, command }: OperationRecord,
): Plan | undefined => {
  if (node.state.current.promotion?.operation !== id) return undefined;
  return {
    kind: 'promote',
    reason: 'cut after its commit',
    command: { type: 'promote', ...command },
    steps: ['ask-peer', 'check-lineage', ...SERVE_STEPS, 'drop-old-copies'],
    run: async (steps) => {
      await bootPrimary(node, steps);
      await dropOldCopies(node, steps);
    },
    isCommitted: () => true,
    isPreemptible: () => node.state.current.standDown !== null,
  };
};

/** From the start again: every step is safe to repeat. But first an app that somebody started meanwhile has to go (H19). */
export const planPromoteRestart = (
  node: Node,
  command: PromoteCommand,
  record: OperationRecord,
): Plan | undefined => {
  // What is still "running" may have ended, only the disk did not take that any more. A primary has nothing to take over.
  const mayGoOn =
    node.state.current.mode !== 'primary' &&
    record.attempt < MAX_ATTEMPTS &&
    isRecent(node, record);
  if (!mayGoOn) return undefined;
  const plan = planPromote(node, command, { source: record.command.source as Source });
  return {
    ...plan,
    steps: ['stop-app', ...plan.steps],
    run: async (steps) => {
      await steps.step('stop-app', ({ signal }) => stopApp(node, signal));
      await plan.run(steps);
    },
  };
};

/** By a clock that may have been set back meanwhile, which says nothing. */
const isRecent = (
  { clock }: Pick<Node, 'clock'>,
  { startedAt, steps }: OperationRecord,
): boolean => {
  const last = steps.at(-1);
  const age = clock.now() - Date.parse(last?.endedAt ?? last?.startedAt ?? startedAt);
  return Math.abs(age) < RESUME_WITHIN;
};
