import { expect, test } from 'vitest';
import { formatRuns, isReached, median, type Row, ratioOf } from '../../scripts/bench/figures.js';
import { CONFIRMED_TO_ANSWERS, growthOf } from '../../scripts/bench/growth.js';
import { renderMarkdown } from '../../scripts/bench/report.js';

const row: Row = {
  what: 'restore',
  size: '1.2 GB',
  unit: 's',
  ours: [10, 30, 12],
  baseline: { name: 'cat dump | psql', runs: [20, 40, 48] },
};

test('the median of an odd count is the middle run, that of an even count lies between two', () => {
  expect(median([30, 1, 2])).toBe(2);
  expect(median([100, 2, 9, 1])).toBe(5.5);
  expect(median([7])).toBe(7);
  expect(() => median([])).toThrow('at least one run');
});

test('a ratio is taken of the runs that took turns, before the median', () => {
  expect(ratioOf(row)).toBe(0.5);
  expect(ratioOf({ what: 'memory', unit: 'MiB', ours: [60] })).toBeUndefined();
});

test('a figure is reached at what is wanted, and missed beyond', () => {
  expect(isReached(row)).toBeUndefined();
  expect(isReached({ ...row, atMost: { ratio: 0.5 } })).toBe(true);
  expect(isReached({ ...row, atMost: { ratio: 0.49 } })).toBe(false);
  expect(isReached({ ...row, atMost: { value: 12 } })).toBe(true);
  expect(isReached({ ...row, atMost: { value: 11.9 } })).toBe(false);
});

test('runs are said as median and range, which a single run does not have', () => {
  expect(formatRuns([10, 30, 12], 's')).toBe('12 s (10–30)');
  expect(formatRuns([1.23456], 's')).toBe('1.23 s');
  expect(formatRuns([12345.6, 99.94, 0.12345], 'MB')).toBe('99.9 MB (0.123–12,346)');
});

test('the report puts the sizes of one measurement into one table, and names what is missing', () => {
  const markdown = renderMarkdown({
    header: { node: 'v20' },
    measured: [
      { title: 'Not prepared', rows: [{ what: 'restore', size: '10 MB', unit: 's', ours: [1] }] },
      { title: 'Not prepared', rows: [{ ...row, atMost: { ratio: 0.75 } }] },
    ],
    missing: ['push against scp: sshd is not installed'],
  });
  expect(markdown).toBe(`- node: v20
- not measured: push against scp: sshd is not installed

### Not prepared

| what | size | coldspare | compared with | ratio | wanted | reached |
| --- | --- | --- | --- | --- | --- | --- |
| restore | 10 MB | 1 s |  |  |  |  |
| restore | 1.2 GB | 12 s (10–30) | cat dump \\| psql: 40 s (20–48) | 0.5 | ratio ≤ 0.75 | yes |
`);
});

test('a figure that was measured at several sizes is held against itself, once', () => {
  const at = (size: string, ours: number[], baseline?: Row['baseline']): Row => ({
    what: CONFIRMED_TO_ANSWERS,
    size,
    unit: 's',
    ours,
    ...(baseline && { baseline }),
  });
  const grown = growthOf([
    { title: 'Taking over', rows: [at('10 MB', [1, 2, 3]), at('10 MB', [1, 2, 3], row.baseline)] },
    { title: 'Taking over', rows: [at('100 MB', [9, 9, 9])] },
    { title: 'Taking over', rows: [at('1.2 GB', [1, 2, 3])] },
    { title: 'Not prepared', rows: [row] },
  ]);
  expect(grown).toEqual([
    {
      title: 'Growth',
      rows: [
        {
          what: `Taking over: ${CONFIRMED_TO_ANSWERS}`,
          size: '1.2 GB',
          unit: 's',
          ours: [1, 2, 3],
          baseline: { name: '10 MB', runs: [1, 2, 3] },
          atMost: { ratio: 1.2 },
        },
      ],
    },
  ]);
});
