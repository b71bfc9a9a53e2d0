/** What one event cost, as the customers measured it through VCL1. */
export interface Row {
  event: string;
  secondsToServe: number;
  lost: number;
  kept: number;
}

const HEADINGS = ['what happened', 'seconds to serve again', 'orders lost', 'orders kept'];

export const tableLines = (rows: readonly Row[]): string[] => {
  const cells = [
    HEADINGS,
    ...rows.map((row) => [row.event, row.secondsToServe.toFixed(1), `${row.lost}`, `${row.kept}`]),
  ];
  const widths = HEADINGS.map((_, column) =>
    Math.max(...cells.map((line) => line[column]?.length ?? 0)),
  );
  const [headings = '', ...lines] = cells.map((line) =>
    line
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column === 0 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join(' | '),
  );
  const rule = widths.map((width) => '-'.repeat(width)).join('-|-');
  return [headings, rule, ...lines];
};
