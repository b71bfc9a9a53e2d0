import { planBackup } from '../../src/operations/backup.js';
import { planHandover } from '../../src/operations/handover.js';
import type { Node } from '../../src/operations/node.js';
import type { Plan } from '../../src/operations/plan.js';
import { planPromote, planTakeOver } from '../../src/operations/promote.js';

/** Enough of a node for a plan to be drawn up; none of its steps is run. */
const unstarted = {
  state: { current: { mode: 'standby', epoch: 1, parity: 'even' } },
  stack: { database: {}, app: {} },
  settings: {},
} as unknown as Node;

const labelsOf = (plan: Plan): string[] => plan.steps.map(({ name }) => `${plan.kind}.${name}`);

const command = { force: false, planned: false, dryRun: false, reason: '' };

/** The labels of each operation's steps, from the operations themselves: a new step is covered without being listed. */
export const STEPS = {
  promote: labelsOf(planPromote(unstarted, command, 'operator')),
  takeOver: labelsOf(planTakeOver(unstarted, { operation: 'o', epoch: 2, backup: 'b' })),
  handover: labelsOf(planHandover(unstarted, { reason: '', dryRun: false })),
  backup: labelsOf(planBackup(unstarted, { reason: '' })),
};
