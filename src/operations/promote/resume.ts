import type { PromoteCommand } from '../../domain/commands.js';
import { doubtOf } from '../../domain/lost-role.js';
import type { OperationRecord, Source } from '../../domain/operation.js';
import type { Plan } from '../../engine/operation.js';
import { stopApp } from '../../serve/app.js';
import { SERVE_STEPS } from '../../serve/serve.js';
import { type Booter, bootPrimary } from '../boot/boot.js';
import type { Node } from '../node.js';
import { planPromote } from './promote.js';

/** Milliseconds. An older promote is not resumed: the situation may have changed since. */
const RESUME_WITHIN = 600_000;
/** An operation that crashed the agent this often is not tried again. */
const MAX_ATTEMPTS = 3;

/** After its commit a promote only has to serve. As after every start, the peer is asked first. */
export const planPromoteRemainder = (
  node: Booter,
  { id, command }: OperationRecord,
): Plan | undefined => {
  if (node.state.current.promotion?.operation !== id) return undefined;
  return {
    kind: 'promote',
    reason: 'interrupted after its commit',
    command: { type: 'promote', ...command },
    steps: ['ask-peer', 'check-lineage', ...SERVE_STEPS, ...node.replication.steps.afterTakeOver],
    run: async (steps) => {
      await bootPrimary(node, steps);
      await node.replication.afterTakeOver(steps);
    },
    isCommitted: () => true,
    isPreemptible: () => node.state.current.standDown !== null,
  };
};

/** Restarts the promote: every step is safe to repeat. An app that somebody started meanwhile is stopped first (H19). */
export const planPromoteRestart = (
  node: Node,
  command: PromoteCommand,
  record: OperationRecord,
): Plan | undefined => {
  // The operation may have ended without its last record, if the disk was full. A primary has nothing to take over.
  // Nor does a node that looks for its role: what was asked of it was asked in a state that is lost.
  const { mode, yielding } = node.state.current;
  const mayGoOn =
    mode !== 'primary' &&
    doubtOf(yielding) === undefined &&
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

/** Uses the absolute age, because the clock may have been set back meanwhile. */
const isRecent = (
  { clock }: Pick<Node, 'clock'>,
  { startedAt, steps }: OperationRecord,
): boolean => {
  const last = steps.at(-1);
  const age = clock.now() - Date.parse(last?.endedAt ?? last?.startedAt ?? startedAt);
  return Math.abs(age) < RESUME_WITHIN;
};
