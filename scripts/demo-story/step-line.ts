import type { StepRecord } from '../../src/domain/operation.js';
import type { Screen } from './screen.js';

/** As wide as the longest name of a step. */
const NAME_WIDTH = 14;
const BAR_WIDTH = 24;

/** A step that has ended: `VCL3 ✔ restore          1.2 s  what it did`. */
export const stepLine = ({ paint }: Screen, who: string, step: StepRecord): string => {
  const mark = step.state === 'failed' ? paint('red', '✘') : paint('green', '✔');
  const seconds = paint('dim', `${secondsOf(step).padStart(5)} s`);
  return `${who} ${mark} ${step.name.padEnd(NAME_WIDTH)} ${seconds}  ${step.detail ?? ''}`.trimEnd();
};

/** A step that runs, with a bar when it moves bytes. */
export const stepNow = (who: string, { name, detail, progress }: StepRecord): string => {
  const doing = progress === undefined ? (detail ?? '') : bar(progress);
  return `${who} ${name.padEnd(NAME_WIDTH)} ${doing}`.trimEnd();
};

const bar = ({ done, total }: { done: number; total: number }): string => {
  const share = total === 0 ? 1 : done / total;
  const full = Math.round(share * BAR_WIDTH);
  const picture = '█'.repeat(full) + '░'.repeat(BAR_WIDTH - full);
  return `${picture} ${Math.round(share * 100)} % of ${kilobytes(total)}`;
};

const kilobytes = (bytes: number): string => `${(bytes / 1_000).toFixed(1)} kB`;

const secondsOf = ({ startedAt, endedAt }: StepRecord): string => {
  const ms = endedAt === null ? 0 : Date.parse(endedAt) - Date.parse(startedAt);
  return (ms / 1_000).toFixed(1);
};
