import {
  formatNumber,
  formatRuns,
  isReached,
  type Measured,
  type Row,
  ratioOf,
} from './figures.js';

/** The results of one run. As JSON it holds the raw figures. */
export interface Report {
  /** The machine and the settings: name and value. */
  header: Readonly<Record<string, string>>;
  measured: readonly Measured[];
  /** What could not be measured, with the reason. */
  missing: readonly string[];
}

export const renderMarkdown = ({ header, measured, missing }: Report): string => {
  const about = Object.entries(header).map(([name, value]) => `- ${name}: ${value}`);
  const absent = missing.map((reason) => `- not measured: ${reason}`);
  const tables = mergeTables(measured).map(renderTable);
  return `${[[...about, ...absent].join('\n'), ...tables].join('\n\n')}\n`;
};

/** One table for each measurement, with all its sizes. */
const mergeTables = (measured: readonly Measured[]): Measured[] => {
  const tables = new Map<string, Row[]>();
  for (const { title, rows } of measured)
    tables.set(title, [...(tables.get(title) ?? []), ...rows]);
  return [...tables].map(([title, rows]) => ({ title, rows }));
};

const COLUMNS = ['what', 'size', 'coldspare', 'compared with', 'ratio', 'wanted', 'reached'];

const renderTable = ({ title, rows }: Measured): string =>
  [
    `### ${title}`,
    '',
    line(COLUMNS),
    line(COLUMNS.map(() => '---')),
    ...rows.map((row) => line(renderRow(row))),
  ].join('\n');

const renderRow = (row: Row): string[] => {
  const { what, size, unit, ours, baseline } = row;
  const ratio = ratioOf(row);
  const reached = isReached(row);
  return [
    what,
    size ?? '',
    formatRuns(ours, unit),
    baseline === undefined ? '' : `${baseline.name}: ${formatRuns(baseline.runs, unit)}`,
    ratio === undefined ? '' : formatNumber(ratio),
    formatLimit(row),
    reached === undefined ? '' : reached ? 'yes' : 'no',
  ];
};

const formatLimit = ({ atMost, unit }: Row): string => {
  if (atMost === undefined) return '';
  return 'value' in atMost ? `≤ ${atMost.value} ${unit}` : `ratio ≤ ${atMost.ratio}`;
};

const line = (cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
