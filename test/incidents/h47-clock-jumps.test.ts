import { afterEach, describe, expect, test, vi } from 'vitest';
import { runAtSlots } from '../../src/background/cron.js';
import { formatLoss } from '../../src/backups/catalog.js';
import { chooseNewest } from '../../src/replication/dumps/choose-backup.js';
import { nodeStatus } from '../../src/status/node-status.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';
import { DUMP, manifestOf } from '../support/http.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const YEAR = 365 * 24 * HOUR;
const NOON = Date.parse('2026-11-29T12:00:00.000Z');

/**
 * Plays `length` of a clock that only sleeps move, and `jump` once the wall clock shows `NOON` and an hour. Resolves to
 * the wall-clock times of the runs.
 */
const runs = async ({
  expression = '*/30 * * * *',
  jump = 0,
  length = 3 * HOUR,
  takes = 0,
}): Promise<string[]> => {
  const stop = new AbortController();
  const at: string[] = [];
  let elapsed = 0;
  let offset = NOON;
  const pass = (ms: number) => {
    const before = elapsed;
    elapsed += ms;
    if (before < HOUR && elapsed >= HOUR) offset += jump;
    if (elapsed >= length) stop.abort();
  };
  const clock = {
    now: () => offset + elapsed,
    elapsed: () => elapsed,
    sleep: async (ms: number) => pass(ms),
  };
  const log = { info() {}, warn() {}, error() {} };
  await runAtSlots({ clock, log }, expression, 'backup', stop.signal, async () => {
    at.push(new Date(clock.now()).toISOString().slice(0, 19));
    pass(takes);
  });
  return at;
};

let fake: FakeNode | undefined;
afterEach(async () => {
  vi.restoreAllMocks();
  await fake?.remove();
  fake = undefined;
});

describe('H47: somebody sets the clock', () => {
  test('every half hour, while nobody does', async () => {
    expect(await runs({ length: 2 * HOUR })).toEqual([
      ...['2026-11-29T12:30:00', '2026-11-29T13:00:00', '2026-11-29T13:30:00'],
    ]);
  });

  test('two hours back: the next slot is the next of the clock, not of the one before', async () => {
    expect(await runs({ jump: -2 * HOUR, length: 2 * HOUR })).toEqual([
      ...['2026-11-29T12:30:00', '2026-11-29T11:30:00'],
    ]);
  });

  test('a year forward: one backup, at once, and nothing is said of half a million minutes', async () => {
    const said = vi.spyOn(console, 'warn');
    const at = await runs({ expression: '* * * * *', jump: YEAR, length: HOUR + 2 * MINUTE });
    expect(at.slice(-2)).toEqual([...['2027-11-29T13:00:00', '2027-11-29T13:01:00']]);
    expect(said).not.toHaveBeenCalled();
  });

  test('a forward jump over several slots, and a run that takes longer than the interval, are one run', async () => {
    const jumped = await runs({ expression: '0 3 * * *', jump: 16 * HOUR, length: 2 * HOUR });
    expect(jumped).toEqual(['2026-11-30T05:00:00']);
    const slow = await runs({ expression: '*/10 * * * *', takes: 35 * MINUTE, length: HOUR });
    expect(slow).toEqual(['2026-11-29T12:10:00', '2026-11-29T12:45:01']);
  });

  test('seconds count where the expression has some', async () => {
    const at = await runs({ expression: '*/20 * * * * *', length: MINUTE });
    expect(at).toEqual(['2026-11-29T12:00:20', '2026-11-29T12:00:40']);
  });

  test('a backup that is dated in the future is a problem, and not "0 ms old"', async () => {
    fake = await createFakeNode('primary');
    const { node } = fake;
    const takenAt = new Date(node.clock.now() + 2 * HOUR).toISOString();
    const backup = manifestOf(DUMP, { takenAt });
    const { sink, received } = await node.backups.open(backup.id);
    sink.end(DUMP);
    await received;
    await node.backups.commit(backup);
    expect(nodeStatus(node).problems).toContain('backup-from-the-future');
    expect(formatLoss(node, backup, undefined)).toMatch(/is dated .* in the future/);
    // An age of 0 would be fresh, whatever BACKUP_MAX_AGE is.
    node.settings.backupMaxAge = HOUR;
    expect(() => chooseNewest(node, { force: false })).toThrow(/nobody knows how old it is/);
    const { now } = node.clock;
    node.clock.now = () => now() + 2 * HOUR;
    expect(nodeStatus(node).problems).not.toContain('backup-from-the-future');
  });
});
