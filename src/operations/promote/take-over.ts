import type { TakeOverCommand } from '../../domain/commands.js';
import type { Plan } from '../../engine/operation.js';
import { beginToLook } from '../../serve/app.js';
import { SERVE_STEPS, serve } from '../../serve/serve.js';
import type { HandoverNode } from '../handover/handover.js';
import { commitRole, promotion, reportOutcome } from './commit-role.js';

/** The second half of the peer's handover: its last backup is here, and its writes are frozen. */
export const planTakeOver = (
  node: Omit<HandoverNode, 'probe'>,
  command: TakeOverCommand,
): Plan => ({
  ...promotion(node),
  reason: 'handover from the other node',
  command: { type: 'take-over', ...command },
  steps: [
    ...node.replication.steps.takeOver,
    'check-app',
    'commit-role',
    ...SERVE_STEPS,
    ...node.replication.steps.afterTakeOver,
  ],
  run: async (steps) => {
    const { epoch, backup, position } = command;
    reportOutcome(steps, epoch);
    const assertAppIsThere = beginToLook(node);
    const request = { epoch, force: false, complete: backup, position, isHandover: true };
    const taken = await node.replication.takeOver(steps, request);
    await steps.step('check-app', assertAppIsThere);
    await commitRole(node, steps, { ...taken, epoch, cause: 'planned' });
    await serve(node, steps);
    await node.replication.afterTakeOver(steps);
  },
});
