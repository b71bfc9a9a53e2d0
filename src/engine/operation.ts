import type { ColdspareError } from '../domain/errors.js';
import type { OperationKind, OperationRecord } from '../domain/operation.js';

/** What a step may use while it runs. */
export interface StepContext {
  /** The operation's id. */
  operation: string;
  /** Aborted when the operation is cancelled, preempted, or the agent stops. */
  signal: AbortSignal;
  /** Aborted when it is preempted or the agent stops, also after it was cancelled. */
  ending: AbortSignal;
  /** Shows how far the step is, in bytes. */
  progress(done: number, total: number): void;
  /** Shows what the step is waiting for, or what it came to: the last line stays in the journal. */
  say(detail: string): void;
  /** From this moment on the operation is never taken back. */
  commit(): void;
}

export interface StepOptions {
  /** Takes the step back because of `error`, also when it failed half-way. Safe to repeat. */
  undo?(error: ColdspareError): Promise<void>;
}

/**
 * What the body of an operation runs its effects through.
 * `Name` lists the steps that the operation has, so that a step which is missing in its list does not compile.
 */
export interface Steps<Name extends string = string> {
  /** The operation's id. */
  readonly operation: string;
  /**
   * One named effect. Its name is also the label at which faults are injected. It has to be safe to run again:
   * after a crash the operation runs again from its first step.
   * @throws ColdspareError what `run` threw, or why the operation has to end
   */
  step<T>(name: Name, run: (context: StepContext) => Promise<T>, options?: StepOptions): Promise<T>;
  /** Adds to what the operation reports when it has ended, however it ends. */
  report(result: Record<string, unknown>): void;
}

/** An operation that is about to run. */
export interface Plan {
  kind: OperationKind;
  reason: string;
  /** What was asked, enough to build the plan again after a crash. */
  command: { type: string } & Record<string, unknown>;
  /** The names of its steps, in the order in which they run for the first time. */
  steps: readonly string[];
  run(steps: Steps): Promise<void>;
  /** Whether the point of no return has been passed, read from what is on disk. */
  isCommitted(record: OperationRecord): boolean;
  /** Whether a more urgent operation, such as `by`, may end it now and run in its place. */
  isPreemptible?(by?: Plan): boolean;
  /** Takes back what the running operation has promised away. */
  takesBack?: true;
  /** Ends no other operation, not even a preemptible one: nothing is less urgent. */
  isPatient?: true;
}

/** Runs steps outside an operation: when one is taken back, nobody reads their details. */
export const unrecorded = (signal: AbortSignal): Steps => ({
  operation: '',
  step: (_name, run) =>
    run({ operation: '', signal, ending: signal, progress() {}, say() {}, commit() {} }),
  report() {},
});
