import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { Problem } from '../domain/answers.js';
import { type ColdspareError, type ErrorCode, toColdspareError } from '../domain/errors.js';
import type { OperationRecord } from '../domain/operation.js';

/** The status code of each error. No other file knows them. */
const STATUS: Record<ErrorCode, ContentfulStatusCode> = {
  'already-primary': 409,
  'not-primary': 409,
  'primary-healthy': 409,
  'primary-busy': 409,
  isolated: 409,
  'outage-unproven': 409,
  'common-cause': 409,
  paused: 409,
  busy: 409,
  'no-backup': 409,
  'backup-too-old': 409,
  'backup-unusable': 422,
  'not-restorable': 422,
  'drill-failed': 422,
  'not-replicable': 409,
  'is-replica': 409,
  'backup-exists': 409,
  'backup-not-found': 404,
  'backup-behind': 409,
  'upload-unknown': 409,
  'upload-elsewhere': 409,
  'upload-torn': 400,
  'digest-mismatch': 400,
  'too-large': 413,
  'disk-full': 507,
  'no-room': 507,
  'stale-epoch': 409,
  'not-the-peer': 409,
  serving: 409,
  'foreign-lineage': 409,
  superseded: 409,
  yielding: 409,
  'peer-unreachable': 502,
  'peer-refused': 409,
  'peer-not-ready': 409,
  'peer-is-back': 409,
  'handover-lost': 409,
  'database-unreachable': 503,
  'database-failed': 500,
  'app-failed': 500,
  'written-while-frozen': 409,
  cancelled: 409,
  preempted: 409,
  interrupted: 503,
  'timed-out': 504,
  'command-failed': 500,
  'ssh-unreachable': 502,
  'ssh-timed-out': 504,
  'ssh-host-key-changed': 502,
  'ssh-key-refused': 502,
  'ssh-not-permitted': 502,
  'ssh-command-failed': 502,
  'invalid-request': 400,
  'header-too-large': 431,
  'too-slow': 408,
  unauthorized: 401,
  'too-many-attempts': 429,
  forbidden: 403,
  'certificate-needed': 403,
  'certificate-unusable': 500,
  'not-found': 404,
  'method-not-allowed': 405,
  'operation-not-found': 404,
  'idempotency-conflict': 409,
  'transition-not-allowed': 409,
  internal: 500,
};

type Details = Pick<Problem, 'code' | 'detail' | 'remedy' | 'value' | 'operation'>;

/** The answer for anything thrown. An unexpected error shows nothing: only the log has it. */
export const problem = (thrown: unknown, headers: Record<string, string> = {}): Response => {
  const error = toColdspareError(thrown);
  const details = error.code === 'internal' ? UNEXPECTED : detailsOf(error);
  return answer(details, STATUS[error.code], headers);
};

/** The answer to a caller who waited for an operation that did not end well. */
export const operationProblem = (
  { id, error }: OperationRecord,
  headers: Record<string, string>,
): Response => {
  const code = error?.code ?? 'internal';
  const details =
    error === null || code === 'internal'
      ? UNEXPECTED
      : { code, detail: error.message, remedy: error.remedy };
  return answer({ ...details, operation: id }, isErrorCode(code) ? STATUS[code] : 500, headers);
};

const UNEXPECTED: Details = {
  code: 'internal',
  detail: 'an unexpected error, which is only shown in the log',
  remedy: 'read the log of this agent at this time',
};

const detailsOf = ({ code, message, remedy, value }: ColdspareError): Details => ({
  code,
  detail: message,
  remedy,
  ...(value !== undefined && { value }),
});

const answer = (
  details: Details,
  status: ContentfulStatusCode,
  headers: Record<string, string>,
): Response => {
  const body: Problem = {
    type: `urn:coldspare:problem:${details.code}`,
    title: details.code.replaceAll('-', ' '),
    status,
    ...details,
  };
  return new Response(JSON.stringify(body, jsonSafe), {
    status,
    headers: { ...headers, 'Content-Type': 'application/problem+json' },
  });
};

/** A value at fault may be a bigint, which JSON cannot hold. */
const jsonSafe = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint' ? String(value) : value;

export const statusOf = (code: ErrorCode): number => STATUS[code];

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(STATUS, code);
