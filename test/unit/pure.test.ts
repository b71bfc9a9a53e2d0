import { describe, expect, test } from 'vitest';
import { backupIdSchema, newBackupId, timestamp } from '../../src/domain/backup-id.js';
import {
  divergedName,
  incomingName,
  replacedCopies,
  replacedName,
} from '../../src/domain/database-names.js';
import { formatBytes, formatDuration, parseDuration } from '../../src/domain/format.js';
import {
  type Inventory,
  inventoryDifferences,
  type Manifest,
  newestFirst,
} from '../../src/domain/manifest.js';
import { readMarker, withMarker } from '../../src/domain/marker.js';
import { expired } from '../../src/domain/retention.js';
import { lossesOf, type Shrunk, withShrunk } from '../../src/domain/shrinkage.js';
import {
  type Mode,
  nextEpoch,
  type RoleEvent,
  TRANSITIONS,
  transition,
} from '../../src/domain/transitions.js';

const NOON = Date.UTC(2026, 10, 22, 12, 0, 0);

/** No backup there yet. */
const FREE = { ours: [], isTaken: () => false };

const backup = (more: Partial<Manifest>): Manifest => ({
  id: 'ledger_20261122_120000',
  database: 'ledger',
  node: 'vcl2',
  takenAt: '2026-11-22T12:00:00.000Z',
  epoch: 1,
  sequence: 1,
  lineage: 'ours',
  format: 'custom',
  bytes: 10,
  sha256: 'a'.repeat(64),
  serverVersion: '15.8',
  ...more,
});

describe('backup ids', () => {
  test('carry the time in UTC, as the old scripts wrote it', () => {
    expect(timestamp(NOON)).toBe('20261122_120000');
    expect(newBackupId('coffee_db', NOON, FREE)).toBe('coffee_db_20261122_120000');
  });

  test('two backups in one second get two ids', () => {
    const taken = new Set(['db_20261122_120000', 'db_20261122_120001']);
    const isTaken = (id: string) => taken.has(id);
    expect(newBackupId('db', NOON, { ours: [], isTaken })).toBe('db_20261122_120002');
  });

  test('a name that was pruned here is not given again: the peer may still keep what it stood for', () => {
    const ours = ['db_20261122_120007', 'db_20261122_115900'];
    expect(newBackupId('db', NOON, { ...FREE, ours })).toBe('db_20261122_120008');
  });

  test('a clock that was put back by a day names by the clock again', () => {
    expect(newBackupId('db', NOON, { ...FREE, ours: ['db_20261123_120000'] })).toBe(
      'db_20261122_120000',
    );
  });

  test.each([
    '../etc/passwd_20261122_120000',
    '.hidden_20261122_120000',
    'a/b_20261122_120000',
    'db_2026',
    '',
    `${'x'.repeat(120)}_20261122_120000`,
    'db_20261122_120000\n',
  ])('refuse %j, which would become a path', (id) =>
    expect(backupIdSchema.safeParse(id).success).toBe(false),
  );
});

describe('the order of backups (H13)', () => {
  test('goes by epoch, then sequence, whatever their names and dates say', () => {
    const old = backup({
      id: 'zz_20991231_235959',
      takenAt: '2099-12-31T23:59:59.000Z',
      epoch: 1,
      sequence: 99,
    });
    const first = backup({
      id: 'aa_20200101_000000',
      takenAt: '2020-01-01T00:00:00.000Z',
      epoch: 2,
      sequence: 1,
    });
    const second = backup({
      id: 'ab_20200101_000000',
      takenAt: '2020-01-01T00:00:00.000Z',
      epoch: 2,
      sequence: 2,
    });
    expect([old, first, second].sort(newestFirst)).toEqual([second, first, old]);
  });
});

describe('retention', () => {
  const newest = (count: number) => ({ newest: count, daily: 0, weekly: 0 });
  const of = (sequence: number, lineage = 'ours') =>
    backup({ id: `b${sequence}_20261122_120000`, sequence, lineage });

  test('removes what is beyond the newest, by order and not by name', () => {
    expect(expired([of(3), of(1), of(2)], 'ours', newest(2))).toEqual([of(1)]);
  });

  test('a foreign lineage neither counts nor is removed (H16)', () => {
    const foreign = [of(7, 'theirs'), of(8, 'theirs'), of(9, 'theirs')];
    expect(expired([of(1), ...foreign], 'ours', newest(1))).toEqual([]);
  });

  test('the last good one stays, even when nothing is to be kept', () => {
    expect(expired([of(1)], 'ours', newest(0))).toEqual([]);
  });
});

describe('retention in tiers', () => {
  const at = (sequence: number, takenAt: string) =>
    backup({ id: `b${sequence}_20261122_120000`, sequence, takenAt });
  const HOUR = 3_600_000;

  test('keeps the last backup of each day and week, beside the newest', () => {
    const first = Date.parse('2026-11-01T00:30:00Z');
    const all = Array.from({ length: 30 * 24 }, (_, hour) =>
      at(hour + 1, new Date(first + hour * HOUR).toISOString()),
    );
    const gone = new Set(expired(all, 'ours', { newest: 2, daily: 3, weekly: 4 }));
    const kept = all.filter((each) => !gone.has(each)).map(({ takenAt }) => takenAt.slice(0, 13));
    expect(kept).toEqual([
      // The last hours of Sundays: weeks begin on Monday.
      ...['2026-11-15T23', '2026-11-22T23'],
      ...['2026-11-28T23', '2026-11-29T23', '2026-11-30T22', '2026-11-30T23'],
    ]);
  });

  test('counts only days that have a backup, so that time alone removes nothing', () => {
    const sparse = ['2025-01-01', '2025-06-01', '2026-11-30'].map((day, index) =>
      at(index + 1, `${day}T12:00:00.000Z`),
    );
    expect(expired(sparse, 'ours', { newest: 1, daily: 3, weekly: 0 })).toEqual([]);
  });

  test('goes by the order of the backups, also when a clock was a year ahead', () => {
    const ahead = at(1, '2027-11-30T12:00:00.000Z');
    const right = [at(2, '2026-11-30T12:00:00.000Z'), at(3, '2026-11-30T13:00:00.000Z')];
    expect(expired([ahead, ...right], 'ours', { newest: 1, daily: 1, weekly: 1 })).toEqual([
      right[0],
      ahead,
    ]);
  });
});

describe('a backup that shrank', () => {
  const counted = (rows: Record<string, number>, more: Partial<Inventory> = {}) => ({
    rows,
    sequences: {},
    largeObjects: 0,
    ...more,
  });
  const lost = (before: Inventory, after: Inventory) =>
    lossesOf(before, after).map(({ name, from, to }) => `${name} ${from} ${to ?? 'gone'}`);

  test('lacks tables that had rows, or more than half of the rows of one', () => {
    const before = counted({ orders: 2_585, coffees: 5, drafts: 0, jobs: 9, logs: 1_000 });
    expect(lost(before, counted({ orders: 0, coffees: 5, jobs: 0, logs: 600 }))).toEqual([
      'orders 2585 0',
    ]);
    expect(lost(before, counted({}))).toEqual([
      ...['orders 2585 gone', 'logs 1000 gone', 'jobs 9 gone', 'coffees 5 gone'],
    ]);
    expect(lost(before, before)).toEqual([]);
  });

  test('counts the partitions of a table together: the oldest is dropped every night', () => {
    const partitionOf = { may: 'events', june: 'y2026', y2026: 'events' };
    const before = counted({ may: 100, june: 120 }, { partitionOf });
    expect(lost(before, counted({ june: 120 }, { partitionOf: { june: 'y2026' } }))).toEqual([]);
    expect(lost(before, counted({}))).toEqual(['events 220 gone']);
  });

  test('also lacks large objects', () => {
    expect(lost(counted({}, { largeObjects: 40 }), counted({}))).toEqual(['large objects 40 0']);
  });

  const shrunk = (before: string, tables: string[], rows: number): Shrunk => ({
    ...{ before, after: `after-${before}`, tables, rows },
    text: '',
  });
  const ids = (held: readonly Shrunk[]) => held.map(({ before }) => before);

  test('a table that is emptied every night holds its first and its last backup', () => {
    const nights = ['mon', 'tue', 'wed'].map((night) => shrunk(night, ['jobs'], 100));
    const disaster = shrunk('thu', ['orders'], 2_585);
    const held = [...nights, disaster].reduce<Shrunk[]>(withShrunk, []);
    expect(ids(held)).toEqual(['mon', 'wed', 'thu']);
  });

  test('of too many, those with the smallest loss give way', () => {
    const all = [9, 50, 30, 90, 20, 70].map((rows) => shrunk(`b${rows}`, [`t${rows}`], rows));
    expect(ids(all.reduce<Shrunk[]>(withShrunk, []))).toEqual(['b50', 'b30', 'b90', 'b20', 'b70']);
  });
});

describe('a restored database that is not what the manifest says', () => {
  const counted = {
    rows: { 'public.orders': 3 },
    sequences: { 'public.s': { last: '7', called: true } },
    largeObjects: 1,
  };

  test('is described table by table', () => {
    const restored = {
      rows: { 'public.orders': 2, 'public.x': 0 },
      sequences: {},
      largeObjects: 0,
    };
    expect(inventoryDifferences(counted, restored)).toEqual([
      'public.orders: expected 3 rows, found 2 rows',
      'public.x: expected no table, found 0 rows',
      'public.s: expected 7 (used), found no sequence',
      'large objects: expected 1, found 0',
    ]);
  });

  test('no difference is no complaint', () => {
    expect(inventoryDifferences(counted, structuredClone(counted))).toEqual([]);
  });
});

describe('the marker in COMMENT ON DATABASE', () => {
  const marker = { lineage: 'ours', epoch: 2, backup: 'b_20261122_120000', served: false };

  test('stays behind the comment that the owner had written', () => {
    const comment = withMarker('our shop', marker);
    expect(comment.startsWith('our shop\n')).toBe(true);
    expect(readMarker(comment)).toEqual(marker);
    expect(readMarker(withMarker(comment, { ...marker, epoch: 3 }))?.epoch).toBe(3);
    expect(withMarker(comment, marker).split('coldspare:')).toHaveLength(2);
  });

  test.each([undefined, '', 'our shop', 'coldspare:{', 'coldspare:{"lineage":""}'])(
    '%j carries none',
    (comment) => {
      expect(readMarker(comment)).toBeUndefined();
    },
  );
});

describe('database names', () => {
  const long = 'd'.repeat(63);

  test('never exceed what PostgreSQL keeps', () => {
    for (const name of [incomingName(long), replacedName(long, NOON), divergedName(long, NOON)]) {
      expect(name).toHaveLength(63);
    }
  });

  test('two copies that are kept within one second get two names', () => {
    const first = replacedName('shop', NOON);
    const second = replacedName('shop', NOON, [first]);
    expect(second).not.toBe(first);
    expect(replacedCopies('shop', [second, first])).toEqual([first, second]);
  });

  test('only replaced copies of this database may be dropped, oldest first', () => {
    const names = [
      replacedName('shop', NOON + 1000),
      divergedName('shop', NOON),
      'shop_before_christmas',
      replacedName('shop', NOON),
      'other_before_20261122_120000',
      'shop',
    ];
    expect(replacedCopies('shop', names)).toEqual([
      'shop_before_20261122_120000',
      'shop_before_20261122_120001',
    ]);
  });
});

describe('lengths of time', () => {
  test.each([
    ['500ms', 500],
    ['5s', 5_000],
    ['2m', 120_000],
    ['1.5h', 5_400_000],
    ['1d', 86_400_000],
    ['0', 0],
  ])('%s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });
  test.each(['5', 's', '-5s', '5 s', '5S', '', '1e3s'])('%j is none', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
  test.each([
    [850, '850 ms'],
    [12_000, '12 s'],
    [1_500_000, '25 min'],
    [12_000_000, '3 h 20 min'],
    [200_000_000, '2 d 7 h'],
  ])('%d is said as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1_500, '1.5 kB'],
  [340_000, '340 kB'],
  [123_456_789, '123 MB'],
  [4_700_000_000, '4.7 GB'],
  [5e15, '5000 TB'],
])('%d bytes are %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

describe('changes of role', () => {
  const modes: Mode[] = ['standby', 'primary', 'yielding'];
  const events: RoleEvent[] = [
    ...(['promoted', 'yield', 'resume', 'superseded', 'heard'] as const),
    ...(['doubted', 'found-primary', 'found-standby'] as const),
  ];

  test('only the listed ones are possible', () => {
    for (const mode of modes) {
      for (const event of events) {
        const row = TRANSITIONS.find(
          (candidate) => candidate.from === mode && candidate.event === event,
        );
        const higher = () => transition({ mode, epoch: 4 }, event, 5);
        const same = () => transition({ mode, epoch: 4 }, event, 4);
        const [allowed, refused] = row?.epoch === 'same' ? [same, higher] : [higher, same];
        if (row === undefined) expect(allowed).toThrow(/cannot become/);
        else expect(allowed()).toBe(row.to);
        expect(refused).toThrow(/cannot become/);
      }
    }
  });

  test('nothing makes a standby primary but a promote to a higher epoch', () => {
    const ways = TRANSITIONS.filter(({ from, to }) => from === 'standby' && to === 'primary');
    expect(ways).toMatchObject([{ event: 'promoted', epoch: 'higher' }]);
  });

  test('no epoch ever belongs to both nodes', () => {
    for (let known = 0; known < 20; known += 1) {
      const odd = nextEpoch(known, 'odd');
      const even = nextEpoch(known, 'even');
      expect(odd).not.toBe(even);
      expect(Math.min(odd, even)).toBe(known + 1);
    }
  });
});
