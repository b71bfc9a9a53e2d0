import type { OperationRecord } from '../domain/operation.js';
import type { Plan } from './operation.js';

/** A running operation, and the ways to end it. */
export type Running = ReturnType<typeof newRunning>;

/** `changed` notifies watchers that the record has changed. */
export const newRunning = (record: OperationRecord, plan: Plan, changed: () => void) => {
  /** Aborted to end the operation as long as it is not committed. */
  const cancel = new AbortController();
  /** Aborted to end the operation, committed or not. */
  const preempt = new AbortController();
  /** Aborted when the agent stops. */
  const interrupt = new AbortController();
  return {
    record,
    plan,
    /** The result reported so far. */
    result: {} as Record<string, unknown>,
    changed,
    cancel,
    preempt,
    interrupt,
    /** Ends a step: `open` before the commit, `committed` after it. */
    signals: {
      open: AbortSignal.any([cancel.signal, preempt.signal, interrupt.signal]),
      committed: AbortSignal.any([preempt.signal, interrupt.signal]),
    },
    ended: Promise.resolve(record),
  };
};
