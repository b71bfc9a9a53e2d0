import { printable } from './printable.js';
import { withoutRows } from './without-rows.js';

/** Stable codes: other programs branch on them, so a code is never renamed. `http/problem.ts` maps each to a status. */
export type ErrorCode =
  | 'already-primary'
  | 'not-primary'
  | 'primary-healthy'
  | 'primary-busy'
  | 'isolated'
  | 'outage-unproven'
  | 'common-cause'
  | 'paused'
  | 'busy'
  | 'no-backup'
  | 'backup-too-old'
  | 'backup-unusable'
  | 'not-restorable'
  | 'drill-failed'
  | 'not-replicable'
  | 'is-replica'
  | 'backup-exists'
  | 'backup-not-found'
  | 'backup-behind'
  | 'upload-unknown'
  | 'upload-elsewhere'
  | 'upload-torn'
  | 'digest-mismatch'
  | 'too-large'
  | 'disk-full'
  | 'no-room'
  | 'stale-epoch'
  | 'not-the-peer'
  | 'serving'
  | 'foreign-lineage'
  | 'superseded'
  | 'yielding'
  | 'peer-unreachable'
  | 'peer-refused'
  | 'peer-not-ready'
  | 'peer-is-back'
  | 'handover-lost'
  | 'database-unreachable'
  | 'database-failed'
  | 'app-failed'
  | 'written-while-frozen'
  | 'cancelled'
  | 'preempted'
  | 'interrupted'
  | 'timed-out'
  | 'command-failed'
  | 'ssh-unreachable'
  | 'ssh-timed-out'
  | 'ssh-host-key-changed'
  | 'ssh-key-refused'
  | 'ssh-not-permitted'
  | 'ssh-command-failed'
  | 'invalid-request'
  | 'header-too-large'
  | 'too-slow'
  | 'unauthorized'
  | 'too-many-attempts'
  | 'forbidden'
  | 'certificate-needed'
  | 'certificate-unusable'
  | 'not-found'
  | 'method-not-allowed'
  | 'operation-not-found'
  | 'idempotency-conflict'
  | 'transition-not-allowed'
  | 'internal';

interface ErrorExtras {
  /** What made it fail; shown in the message's place in logs, never to strangers. */
  cause?: unknown;
  /** The value at fault, as data. Never a secret. */
  value?: unknown;
}

/**
 * An error that a person can act on: what happened, with which value, and what to type next. Its message goes to logs,
 * people and terminals, so it holds neither rows nor control characters, whatever it was made from.
 */
export class ColdspareError extends Error {
  readonly code: ErrorCode;
  readonly remedy: string;
  readonly value: unknown;
  /** Not a property that a log would print. */
  readonly #withRows: string | undefined;

  constructor(code: ErrorCode, message: string, remedy: string, extras: ErrorExtras = {}) {
    const shown = withoutRows(message);
    super(printable(shown), extras.cause === undefined ? undefined : { cause: extras.cause });
    this.name = this.constructor.name;
    this.code = code;
    this.remedy = printable(remedy);
    this.value = extras.value;
    if (shown !== message) this.#withRows = message;
  }

  /** The whole text with the rows that it quotes, for a file that only root reads; undefined when nothing was withheld. */
  get withRows(): string | undefined {
    const { cause } = this;
    return cause instanceof ColdspareError ? (cause.withRows ?? this.#withRows) : this.#withRows;
  }
}

/** The answer is no, and nothing was changed by asking. */
export class Refused extends ColdspareError {}

export const isError = (error: unknown, code: ErrorCode): error is ColdspareError =>
  error instanceof ColdspareError && error.code === code;

/** The backup cannot be restored, here and elsewhere: it is broken, or the database that was dumped cannot be restored. */
export const isUnusable = (error: unknown): error is ColdspareError =>
  isError(error, 'backup-unusable') || isError(error, 'not-restorable');

/** Any thrown thing as one of ours; what nobody foresaw becomes `internal` with the original as its cause. */
export const toColdspareError = (error: unknown): ColdspareError =>
  error instanceof ColdspareError
    ? error
    : new ColdspareError(
        'internal',
        error instanceof Error ? error.message : String(error),
        'read the agent log at this time, and report it if the message does not explain itself',
        { cause: error },
      );
