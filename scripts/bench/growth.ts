import type { Measured, Row } from './figures.js';

/** The figure that must not grow with the size of the database. */
export const CONFIRMED_TO_ANSWERS = 'confirmed → answers';

/** For each figure that was measured at several sizes: its value at the largest size as a multiple of the smallest. */
export const growthOf = (measured: readonly Measured[]): Measured[] => {
  const figures = new Map<string, Row[]>();
  for (const { title, rows } of measured)
    for (const row of rows) {
      const name = `${title}: ${row.what}`;
      const sizes = figures.get(name) ?? [];
      // A figure stands once for each thing that it is compared with.
      if (sizes.every(({ size }) => size !== row.size)) figures.set(name, [...sizes, row]);
    }
  const rows = [...figures].flatMap(([name, sizes]) => grown(name, sizes));
  return rows.length > 0 ? [{ title: 'Growth', rows }] : [];
};

const grown = (name: string, sizes: readonly Row[]): Row[] => {
  const [smallest, largest] = [sizes[0], sizes.at(-1)];
  if (smallest === undefined || largest === undefined || smallest === largest) return [];
  const { size = '', unit, ours, what } = largest;
  const baseline = { name: smallest.size ?? '', runs: smallest.ours };
  const row = { what: name, size, unit, ours, baseline };
  return [what === CONFIRMED_TO_ANSWERS ? { ...row, atMost: { ratio: 1.2 } } : row];
};
