import { expect, test } from 'vitest';
import type { OperationKind, OperationRecord } from '../../src/domain/operation.js';
import { Journal } from '../../src/engine/journal.js';
import { MemoryDisk } from '../support/memory-disk.js';

const record = (kind: OperationKind, number: number): OperationRecord => ({
  id: `${kind}-${number}`.padEnd(8, '_'),
  kind,
  state: 'done',
  committed: false,
  reason: 'asked for',
  source: 'operator',
  epoch: 1,
  startedAt: new Date(number * 1_000).toISOString(),
  endedAt: new Date(number * 1_000).toISOString(),
  steps: [],
  result: null,
  error: null,
  command: {},
  attempt: 1,
});

test('the history on disk is bounded, and pushes that are tried for days do not crowd out the takeover', async () => {
  const disk = new MemoryDisk();
  const journal = await Journal.open(disk, '/state');
  const takeover = record('promote', 0);
  await journal.save(takeover);
  for (let number = 1; number <= 1_000; number += 1) await journal.save(record('push', number));
  await journal.prune();
  expect((await disk.list('/state/operations')).length).toBe(701);
  const reopened = await Journal.open(disk, '/state');
  expect(reopened.list()).toEqual(journal.list());
  expect(reopened.get(takeover.id)).toEqual(takeover);
  expect(reopened.list()[0]).toEqual(record('push', 1_000));
  expect(reopened.get(record('push', 300).id)).toBeUndefined();
});
