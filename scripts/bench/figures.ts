/** One thing that was measured several times, in runs that took turns with what it is compared with. */
export interface Figure {
  name: string;
  unit: string;
  runs: readonly number[];
}

export const median = (runs: readonly number[]): number => {
  const sorted = [...runs].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[middle - 1], sorted[middle]];
  if (high === undefined) throw new Error('a figure needs at least one run');
  return sorted.length % 2 === 0 && low !== undefined ? (low + high) / 2 : high;
};

/** `1.61 s (1.58-1.70)`: median and range. */
export const sayFigure = ({ runs, unit }: Pick<Figure, 'runs' | 'unit'>): string => {
  const [least, most] = [Math.min(...runs), Math.max(...runs)];
  const range = least === most ? '' : ` (${sayNumber(least)}–${sayNumber(most)})`;
  return `${sayNumber(median(runs))} ${unit}${range}`;
};

/** Three significant digits. */
export const sayNumber = (value: number): string =>
  Math.abs(value) >= 100
    ? Math.round(value).toLocaleString('en')
    : `${Number(value.toPrecision(3))}`;
