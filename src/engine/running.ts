import type { OperationRecord } from '../domain/operation.js';
import type { Plan } from './operation.js';

/** An operation at work, and the ways to end it. */
export interface Running {
  record: OperationRecord;
  plan: Plan;
  /** What its body has reported so far. */
  result: Record<string, unknown>;
  /** Tells whoever watches it that its record has changed. */
  changed(): void;
  /** Aborted to end the operation as long as it is not committed. */
  cancel: AbortController;
  /** Aborted to end the operation, committed or not. */
  preempt: AbortController;
  /** Aborted when the agent stops; ends whatever the operation is waiting for. */
  interrupt: AbortController;
  /** What ends a step before the commit, and after it. */
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
