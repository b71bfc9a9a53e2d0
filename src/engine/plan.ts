import type { ColdspareError } from '../domain/errors.js';
import type { OperationKind } from '../domain/operation.js';

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
  /** Shows what the step is waiting for. */
  say(detail: string): void;
}

/**
 * One named effect of an operation. Its name is also the label at which faults are injected. A step is safe
 * to run again: after a crash the whole plan runs again from its first step.
 */
export interface Step {
  name: string;
  /** Does it, and says in one line what was done. */
  run(context: StepContext): Promise<string | undefined>;
  /** Takes it back because of `error`, also when `run` failed half-way. Safe to repeat. */
  undo?(error: ColdspareError): Promise<void>;
  /** The step that ends all going back. */
  commits?: true;
  /** The step to go on with after this failure, when there is another way. */
  otherwise?(error: ColdspareError): string | undefined;
}

/** An operation that is about to run. */
export interface Plan {
  kind: OperationKind;
  reason: string;
  /** What was asked, enough to build the plan again after a crash. */
  command: Record<string, unknown>;
  steps: Step[];
  /** Whether the point of no return has been passed, read from what is on disk. */
  isCommitted(operation: string): boolean;
  /** What the operation came to, for the report. */
  result?(): Record<string, unknown> | null;
  /** Whether a more urgent operation, such as `by`, may end it now and run in its place. */
  isPreemptible?(by?: Plan): boolean;
  /** Takes back what the running operation has promised away. */
  takesBack?: true;
  /** Ends no other operation, not even a preemptible one: nothing is less urgent. */
  isPatient?: true;
}

/** For running steps outside an operation, when one is taken back. */
export const silently = (signal: AbortSignal): StepContext => ({
  operation: '',
  signal,
  ending: signal,
  progress() {},
  say() {},
});
