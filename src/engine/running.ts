import type { OperationRecord } from '../domain/operation.js';
import type { Plan } from './operation.js';

/** A running operation, and the ways to end it. */
export interface Running {
  record: OperationRecord;
  plan: Plan;
  /** The result reported so far. */
  result: Record<string, unknown>;
  /** Notifies watchers that the record has changed. */
  changed(): void;
  /** Aborted to end the operation as long as it is not committed. */
  cancel: AbortController;
  /** Aborted to end the operation, committed or not. */
  preempt: AbortController;
  /** Aborted when the agent stops. */
  interrupt: AbortController;
  /** Ends a step: `open` before the commit, `committed` after it. */
  signals: { open: AbortSignal; committed: AbortSignal };
  ended: Promise<OperationRecord>;
}

export const newRunning = (record: OperationRecord, plan: Plan, changed: () => void): Running => {
  const cancel = new AbortController();
  const preempt = new AbortController();
  const interrupt = new AbortController();
  return {
    record,
    plan,
    result: {},
    changed,
    cancel,
    preempt,
    interrupt,
    signals: {
      open: AbortSignal.any([cancel.signal, preempt.signal, interrupt.signal]),
      committed: AbortSignal.any([preempt.signal, interrupt.signal]),
    },
    ended: Promise.resolve(record),
  };
};
