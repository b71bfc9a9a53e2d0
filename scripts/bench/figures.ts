/** One line of the report: something that was measured several times, in turns with its baseline. */
export interface Row {
  what: string;
  /** The size of the database, where it matters. */
  size?: string;
  unit: string;
  ours: readonly number[];
  baseline?: { name: string; runs: readonly number[] };
  /** The highest value that is allowed, as a number or as a share of the baseline. */
  atMost?: { value: number } | { ratio: number };
}

/** One table of the report. */
export interface Measured {
  title: string;
  rows: readonly Row[];
}

export const median = (runs: readonly number[]): number => {
  const sorted = [...runs].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[middle - 1], sorted[middle]];
  if (high === undefined) throw new Error('a figure needs at least one run');
  return sorted.length % 2 === 0 && low !== undefined ? (low + high) / 2 : high;
};

/** Ours as a share of the baseline: the median of the paired runs. Undefined without a baseline that can be measured. */
export const ratioOf = ({ ours, baseline }: Row): number | undefined => {
  if (baseline === undefined || baseline.runs.includes(0)) return undefined;
  const pairs = ours.slice(0, baseline.runs.length);
  return median(pairs.map((run, index) => run / (baseline.runs[index] ?? Number.NaN)));
};

/** Whether the limit is kept; undefined without a limit. */
export const isReached = (row: Row): boolean | undefined => {
  if (row.atMost === undefined) return undefined;
  if ('value' in row.atMost) return median(row.ours) <= row.atMost.value;
  const ratio = ratioOf(row);
  return ratio !== undefined && ratio <= row.atMost.ratio;
};

/** `1.61 s (1.58–1.7)`: median and range. */
export const formatRuns = (runs: readonly number[], unit: string): string => {
  const [least, most] = [formatNumber(Math.min(...runs)), formatNumber(Math.max(...runs))];
  return `${formatNumber(median(runs))} ${unit}${least === most ? '' : ` (${least}–${most})`}`;
};

/** Three significant digits. */
export const formatNumber = (value: number): string =>
  Math.abs(value) >= 100
    ? Math.round(value).toLocaleString('en')
    : `${Number(value.toPrecision(3))}`;
