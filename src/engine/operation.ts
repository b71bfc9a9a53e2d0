import type { ColdspareError } from '../domain/errors.js';
import type { OperationKind, OperationRecord } from '../domain/operation.js';

/** What a step may use while it runs. */
export interface StepContext {
  /** The operation's id. */
  operation: string;
  /** Aborted when the operation is cancelled, preempted, or the agent stops. */
  signal: AbortSignal;
  /** Aborted when the operation is preempted or the agent stops, but not when it is cancelled. */
  ending: AbortSignal;
  /** Reports progress in bytes. */
  progress(done: number, total: number): void;
  /** Reports what the step waits for or has done. The last line stays in the journal. */
  say(detail: string): void;
  /** Marks the point of no return: from here on the operation is never rolled back. */
  commit(): void;
}

export interface StepOptions {
  /** Undoes the step because of `error`, also when the step failed half-way. Safe to repeat. */
  undo?(error: ColdspareError): Promise<void>;
}

/**
 * Runs the effects of an operation. `Name` is the union of its step names: a step that is missing in the list does not
 * compile.
 */
export interface Steps<Name extends string = string> {
  /** The operation's id. */
  readonly operation: string;
  /**
   * Runs one named effect. Its name is also the label at which faults are injected. It must be safe to repeat: after a
   * crash the operation runs again from its first step.
   * @throws ColdspareError from `run`, or why the operation has to end
   */
  step<T>(name: Name, run: (context: StepContext) => Promise<T>, options?: StepOptions): Promise<T>;
  /** Adds to the result of the operation, which is reported however it ends. */
  report(result: Record<string, unknown>): void;
}

/** An operation that is about to run. */
export interface Plan {
  kind: OperationKind;
  reason: string;
  /** The command, complete enough to build the plan again after a crash. */
  command: { type: string } & Record<string, unknown>;
  /** The names of its steps, in the order of their first run. */
  steps: readonly string[];
  run(steps: Steps): Promise<void>;
  /** Whether the point of no return has been passed, read from what is on disk. */
  isCommitted(record: OperationRecord): boolean;
  /** Whether a more urgent operation, such as `by`, may end it now and run in its place. */
  isPreemptible?(by?: Plan): boolean;
  /** A person takes the role back by force, which ends the running handover. */
  reclaims?: true;
  /** Ends no other operation, not even a preemptible one: every other one is more urgent. */
  neverPreempts?: true;
}

/** Runs steps outside an operation, such as in an undo: each ends within `timeout` milliseconds. They are not recorded. */
export const unrecorded = (timeout: number): Steps => ({
  operation: '',
  step: (_name, run) => {
    const signal = AbortSignal.timeout(timeout);
    return run({ operation: '', signal, ending: signal, progress() {}, say() {}, commit() {} });
  },
  report() {},
});
