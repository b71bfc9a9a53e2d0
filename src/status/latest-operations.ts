import { hasEnded, type OperationKind, type OperationRecord } from '../domain/operation.js';
import type { Node } from '../operations/node.js';

/** Errors that say nothing about whether the operation works: it is asked for again, or nobody wants it any more. */
const INCONCLUSIVE: ReadonlySet<string> = new Set([
  'preempted',
  'cancelled',
  'interrupted',
  'busy',
  'primary-busy',
  'already-primary',
]);

/** The last conclusive operation of each kind, also from before this agent was started. The result is kept up to date. */
export const watchLatestOperations = ({
  runner,
}: Pick<Node, 'runner'>): Partial<Record<OperationKind, OperationRecord>> => {
  const latest: Partial<Record<OperationKind, OperationRecord>> = {};
  const keep = (record: OperationRecord): void => {
    if (hasEnded(record) && isConclusive(record)) latest[record.kind] = record;
  };
  for (const record of runner.list().reverse()) keep(record);
  runner.onEnd(keep);
  return latest;
};

const isConclusive = ({ error, source, command }: OperationRecord): boolean => {
  // The primary was back when the promote checked it again.
  const isFalseAlarm = source === 'monitor' && error?.code === 'primary-healthy';
  // If nobody gives way to it, the stand-down says what becomes of this node.
  const isTakeBack = command.type === 'take-back';
  const isUnheeded = isFalseAlarm || isTakeBack || command.rescue !== undefined;
  return !isUnheeded && !INCONCLUSIVE.has(error?.code ?? '');
};
