import { doubtOf } from '../../domain/lost-role.js';
import type { Node } from '../node.js';
import { standDownIfDue } from '../stand-down/stand-down.js';
import { type Booter, planResume } from './boot.js';
import { planFindRole } from './find-role.js';

/** Milliseconds between two attempts to find a role. */
const LOOK_PAUSE = 15_000;

/**
 * Asks the peer how the operation ended to which this node yields, and acts on the answer.
 * @throws ColdspareError `peer-unreachable`, `peer-refused`
 */
export const resolvePendingYield = async (node: Booter & Pick<Node, 'runner'>): Promise<void> => {
  const { yielding } = node.state.current;
  if (yielding === null || node.runner.current !== undefined) return;
  if (doubtOf(yielding) !== undefined) return findRoleIfPossible(node);
  const { operation, cause, epoch, finalBackup, writes } = yielding;
  // The offer of a handover may still be on its way to the peer, so it is cancelled there before this node resumes.
  const record =
    cause === 'handover' ? await node.peer.cancel(operation) : await node.peer.operation(operation);
  // Another promise may have been made while the answer was on its way.
  if (node.state.current.yielding?.operation !== operation) return;
  if (record?.committed) {
    await node.leadership.concede(epoch, { epoch, finalBackup, writes });
    return standDownIfDue(node);
  }
  if (record?.state === 'running') return;
  await node.runner.start(planResume(node), { source: 'agent' });
};

/** Without the peer it is tried once: a database that has never served needs no answer. */
const findRoleIfPossible = async (node: Booter & Pick<Node, 'runner'>): Promise<void> => {
  const { local, clock } = node;
  // The peer may be undecided itself for long.
  if (clock.elapsed() - (local.lookedForRoleAt ?? Number.NEGATIVE_INFINITY) < LOOK_PAUSE) return;
  if (local.lookedForRoleAt !== undefined) await node.peer.status();
  local.lookedForRoleAt = clock.elapsed();
  await node.runner.start(planFindRole(node), { source: 'agent' });
};
