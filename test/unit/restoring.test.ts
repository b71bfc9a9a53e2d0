import { Readable } from 'node:stream';
import { beforeEach, describe, expect, test } from 'vitest';
import { ColdspareError } from '../../src/domain/errors.js';
import type { Manifest } from '../../src/domain/manifest.js';
import type { Database } from '../../src/ports/stack.js';
import { RestoreJob, unlessAborted } from '../../src/replication/dumps/restore-job.js';

/** How a restore of the fake database ends: by the test, or by its signal. */
interface Ending {
  finish(): void;
  fail(error: Error): void;
}

let endings: Ending[];
let hasIncoming: boolean;
/** Says how many bytes of the last dump that was opened have been read. */
let count: (done: number) => void;
let restoring: RestoreJob;

const database = {
  restore: (content: Readable, _backup: Manifest, signal: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      content.resume();
      signal.addEventListener('abort', () => reject(signal.reason));
      const finish = () => {
        hasIncoming = true;
        resolve();
      };
      endings.push({ finish, fail: reject });
    }),
  others: async () => (hasIncoming ? ['shop_incoming'] : []),
} as unknown as Database;

const preempted = new ColdspareError('preempted', 'a promote is more urgent', 'nothing to do');

const restore = (
  id: string,
  signal = new AbortController().signal,
  onBytes = (_done: number) => {},
) =>
  restoring.restore({
    backup: { id } as Manifest,
    open: async (onBytes) => {
      count = onBytes;
      return Readable.from(['dump']);
    },
    onBytes,
    gently: true,
    signal,
  });

const begun = (count: number) =>
  expect.poll(() => endings.length, { timeout: 1_000, interval: 1 }).toBe(count);

beforeEach(() => {
  endings = [];
  hasIncoming = false;
  restoring = new RestoreJob(database, 'shop');
});

/** A preparation that a promote has ended in the middle of its restore. */
const preemptOne = async (id: string): Promise<void> => {
  const preparation = new AbortController();
  const waiting = restore(id, preparation.signal);
  await begun(1);
  preparation.abort(preempted);
  await expect(waiting).rejects.toBe(preempted);
};

describe('a promote arrives in the middle of a preparation', () => {
  test('it goes on with the restore that is under way', async () => {
    await preemptOne('a');
    const promote = restore('a');
    endings[0]?.finish();
    await promote;
    expect(endings).toHaveLength(1);
  });

  test('it also finds one that has ended meanwhile', async () => {
    await preemptOne('a');
    endings[0]?.finish();
    await restore('a');
    expect(endings).toHaveLength(1);
  });

  test('it wants another backup: the first restore is ended, and its own begun', async () => {
    await preemptOne('a');
    const promote = restore('b');
    await begun(2);
    endings[1]?.finish();
    await promote;
  });

  test('what was left running fails: it begins anew', async () => {
    await preemptOne('a');
    endings[0]?.fail(new Error('the database was stopped'));
    const promote = restore('a');
    await begun(2);
    endings[1]?.finish();
    await promote;
  });

  test('what was restored is gone: it begins anew', async () => {
    await preemptOne('a');
    endings[0]?.finish();
    await expect.poll(() => hasIncoming).toBe(true);
    hasIncoming = false;
    const promote = restore('a');
    await begun(2);
    endings[1]?.finish();
    await promote;
  });
});

test('a restore that is cancelled is ended, and nobody goes on with it', async () => {
  const cancelled = new AbortController();
  const waiting = restore('a', cancelled.signal);
  await begun(1);
  cancelled.abort(new ColdspareError('cancelled', 'not wanted', 'nothing to do'));
  await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
  const again = restore('a');
  await begun(2);
  endings[1]?.finish();
  await again;
});

test('work that was called off before it began may fail: somebody has heard of it', async () => {
  const unheard: unknown[] = [];
  const hear = (error: unknown) => void unheard.push(error);
  process.on('unhandledRejection', hear);
  try {
    const failing = Promise.reject(new Error('it was called off'));
    await expect(unlessAborted(failing, AbortSignal.abort(preempted))).rejects.toBe(preempted);
    await new Promise((resolve) => setImmediate(resolve));
    expect(unheard).toEqual([]);
  } finally {
    process.off('unhandledRejection', hear);
  }
});

test('a restore that fails says why, and the next one begins anew', async () => {
  const first = restore('a');
  await begun(1);
  endings[0]?.fail(new ColdspareError('backup-unusable', 'torn', 'take the next older one'));
  await expect(first).rejects.toMatchObject({ code: 'backup-unusable' });
  const second = restore('a');
  await begun(2);
  endings[1]?.finish();
  await second;
});

test('who goes on with a restore sees how far it is', async () => {
  await preemptOne('a');
  const seen: number[] = [];
  const promote = restore('a', undefined, (done) => seen.push(done));
  count(7);
  endings[0]?.finish();
  await promote;
  expect(seen).toEqual([7]);
});
