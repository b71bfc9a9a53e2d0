import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { Problem } from '../domain/answers.js';
import { type ColdspareError, type ErrorCode, toColdspareError } from '../domain/errors.js';
import type { OperationRecord } from '../domain/operation.js';

/** The one place that knows status codes of errors. */
const STATUS: Record<ErrorCode, ContentfulStatusCode> = {
  'already-primary': 409,
  'not-primary': 409,
  'primary-healthy': 409,
  'primary-busy': 409,
  isolated: 409,
  paused: 409,
  busy: 409,
  'no-backup': 409,
  'backup-too-old': 409,
  'backup-unusable': 422,
  'drill-failed': 422,
  'backup-exists': 409,
  'backup-not-found': 404,
  'upload-unknown': 409,
  'upload-elsewhere': 409,
  'upload-torn': 400,
  'digest-mismatch': 400,
  'too-large': 413,
  'disk-full': 507,
  'no-room': 507,
  'stale-epoch': 409,
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

type Said = Pick<Problem, 'code' | 'detail' | 'remedy' | 'value' | 'operation'>;

/** Any thrown thing as an answer. What nobody foresaw tells nothing of itself: the log has it. */
export const problem = (thrown: unknown, headers: Record<string, string> = {}): Response => {
  const error = toColdspareError(thrown);
  const said = error.code === 'internal' ? UNFORESEEN : sayError(error);
  return answer(said, STATUS[error.code], headers);
};

/** How an operation ended that somebody waited for, when it did not end well. */
export const operationProblem = (
  { id, error }: OperationRecord,
  headers: Record<string, string>,
): Response => {
  const code = error?.code ?? 'internal';
  const said =
    error === null || code === 'internal'
      ? UNFORESEEN
      : { code, detail: error.message, remedy: error.remedy };
  return answer({ ...said, operation: id }, isErrorCode(code) ? STATUS[code] : 500, headers);
};

const UNFORESEEN: Said = {
  code: 'internal',
  detail: 'something happened that nobody foresaw; nothing more is said here',
  remedy: 'read the log of this agent at this time',
};

const sayError = ({ code, message, remedy, value }: ColdspareError): Said => ({
  code,
  detail: message,
  remedy,
  ...(value !== undefined && { value }),
});

const answer = (
  said: Said,
  status: ContentfulStatusCode,
  headers: Record<string, string>,
): Response => {
  const body: Problem = {
    type: `urn:coldspare:problem:${said.code}`,
    title: said.code.replaceAll('-', ' '),
    status,
    ...said,
  };
  return new Response(JSON.stringify(body, jsonSafe), {
    status,
    headers: { ...headers, 'Content-Type': 'application/problem+json' },
  });
};

/** A value at fault may be a bigint, which JSON has no form for. */
const jsonSafe = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint' ? String(value) : value;

export const statusOf = (code: ErrorCode): number => STATUS[code];

const isErrorCode = (code: string): code is ErrorCode => Object.hasOwn(STATUS, code);
