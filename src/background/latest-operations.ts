import { hasEnded, type OperationKind, type OperationRecord } from '../domain/operation.js';
import type { Node } from '../operations/node.js';

/** Endings that say nothing about what was asked for: it is asked again, or nobody wants it any more. */
const PASSING: ReadonlySet<string> = new Set([
  'preempted',
  'cancelled',
  'interrupted',
  'busy',
  'primary-busy',
  'already-primary',
]);

/** What each kind of operation came to when it was tried last, also before this agent was started. Kept up to date. */
export const watchLatestOperations = ({
  runner,
}: Node): Partial<Record<OperationKind, OperationRecord>> => {
  const latest: Partial<Record<OperationKind, OperationRecord>> = {};
  const keep = (record: OperationRecord): void => {
    if (hasEnded(record) && isTelling(record)) latest[record.kind] = record;
  };
  for (const record of runner.list().reverse()) keep(record);
  runner.onEnd(keep);
  return latest;
};

const isTelling = ({ error, source, command }: OperationRecord): boolean => {
  // The monitor saw it come back while it looked closer.
  const isFalseAlarm = source === 'monitor' && error?.code === 'primary-healthy';
  return !isFalseAlarm && !PASSING.has(error?.code ?? '') && command.rescue === undefined;
};
