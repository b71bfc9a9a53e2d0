import { formatBytes, formatDuration } from '../domain/format.js';
import { hasEnded, type OperationRecord, type StepRecord } from '../domain/operation.js';
import { oneLine } from '../domain/printable.js';
import { spoken } from '../domain/spoken.js';
import type { BackupSummary } from '../domain/status.js';

/** How long ago. Never negative, because the clocks may differ a little. */
export const formatAge = (at: string, now: number): string =>
  formatDuration(Math.max(0, now - Date.parse(at)));

/** Width of the longest step name. */
const NAME_WIDTH = 14;

/** A finished step: `restore          1.2 s  what it did`. */
export const formatStep = ({ name, detail, startedAt, endedAt }: StepRecord): string => {
  const ms = endedAt === null ? 0 : Date.parse(endedAt) - Date.parse(startedAt);
  const seconds = `${(ms / 1_000).toFixed(1)} s`;
  return `${name.padEnd(NAME_WIDTH)} ${seconds.padStart(8)}  ${formatDetail(detail)}`.trimEnd();
};

/** A running step. */
export const formatRunningStep = ({ name, detail, progress }: StepRecord): string => {
  const doing =
    progress === undefined
      ? formatDetail(detail)
      : `${formatBytes(progress.done)} of ${formatBytes(progress.total)}`;
  return `${name.padEnd(NAME_WIDTH)} ${doing}`.trimEnd();
};

const formatDetail = (detail: string | null): string => spoken(detail ?? '', 'terminal');

/** How an operation ended, in a few lines: what was lost first, and the remedy for an error last. */
export const formatEnd = (record: OperationRecord): string[] => {
  const { kind, state, error } = record;
  // A rolled back operation has no result.
  const result = state === 'done' || record.committed ? record.result : null;
  const took = hasEnded(record) ? ` after ${formatDurationOf(record)}` : '';
  const facts = Object.entries(result ?? {})
    .filter(([name]) => name !== 'lostSeconds')
    .flatMap(([name, value]) => formatFact(name, value));
  return [
    `${kind} ${state}${took}${error === null ? '' : `: ${error.message}`}`,
    ...formatLost(result?.lostSeconds),
    ...facts,
    ...(error === null ? [] : [`What to do: ${spoken(error.remedy, 'terminal')}`]),
  ];
};

/** Nothing for an operation that says nothing of it. */
const formatLost = (seconds: unknown): string[] => {
  if (typeof seconds !== 'number') return [];
  return [
    seconds === 0
      ? '  NOTHING IS LOST'
      : `  LOST: what was written in the last ${formatDuration(seconds * 1_000)} before the takeover`,
  ];
};

const formatDurationOf = ({ startedAt, endedAt }: OperationRecord): string =>
  formatDuration(Date.parse(endedAt ?? startedAt) - Date.parse(startedAt));

const formatFact = (name: string, value: unknown): string[] => {
  const said = name === 'bytes' ? formatBytes(Number(value)) : formatValue(value);
  return said === '' ? [] : [`  ${name.padEnd(NAME_WIDTH)} ${said}`];
};

const formatValue = (value: unknown): string => {
  if (value === null) return '';
  if (Array.isArray(value)) return value.map(formatValue).join('; ');
  if (typeof value !== 'object') return String(value);
  return Object.entries(value)
    .map(([name, part]) => `${name} ${formatValue(part)}`)
    .join(', ');
};

/** One line of the history. */
export const formatOperation = (record: OperationRecord): string => {
  const { id, state, reason } = record;
  const took = hasEnded(record) ? formatDurationOf(record) : '';
  return `${id.padEnd(42)} ${state.padEnd(11)} ${took.padStart(10)}  ${oneLine(reason)}`.trimEnd();
};

/** `until 14:30 UTC, for 12 min`. */
export const formatUntil = (until: string, now: number): string =>
  `until ${until.slice(11, 16)} UTC, for ${formatDuration(Math.max(0, Date.parse(until) - now))}`;

export const formatProof = (proof: BackupSummary['proof'], now: number): string => {
  if (proof === null) return 'not restored yet';
  return proof.error === null
    ? `proven by a restore ${formatAge(proof.at, now)} ago`
    : `CANNOT BE RESTORED: ${proof.error}`;
};
