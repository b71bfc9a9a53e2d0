import { hasForgotten } from '../../domain/lost-role.js';
import type { OperationRecord } from '../../domain/operation.js';
import { planResumed } from '../commands.js';
import type { Node } from '../node.js';
import { planBoot } from './boot.js';

/**
 * After a start of the agent: resumes the operation that was interrupted, or records how it ended. Then makes what runs
 * here match the role on disk.
 */
export const recover = async (node: Node): Promise<void> => {
  await noticeOldState(node).catch((error: unknown) =>
    node.log.warn({ error }, 'the database could not be asked what it remembers'),
  );
  for (const record of node.runner.list().filter(({ state }) => state === 'running')) {
    const plan = planResumed(node, record);
    if (plan !== undefined && node.runner.current === undefined)
      await node.runner.resume(plan, record);
    else await node.runner.close(record, endingOf(node, record));
  }
  if (node.runner.current === undefined) {
    await node.runner.start(planBoot(node, 'the agent was started'), { source: 'agent' });
  }
};

/** The boot of a standby that was the primary and does not remember it would stop the app that serves (H36). */
const noticeOldState = async ({ state, stack, leadership }: Node): Promise<void> => {
  if (state.current.mode !== 'standby' || !(await stack.database.answers())) return;
  const { marker } = await stack.database.live();
  if (hasForgotten(state.current, marker)) await leadership.doubt('older');
};

const endingOf = (
  { state }: Pick<Node, 'state'>,
  { id, kind, epoch, command }: OperationRecord,
): Pick<OperationRecord, 'state' | 'committed' | 'error'> => {
  const { mode, epoch: now, yielding, lineage } = state.current;
  const handedOver = kind === 'handover' && mode === 'standby' && now > epoch;
  const hasYielded = kind === 'fence' && yielding !== null;
  // The boot does the rest.
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
