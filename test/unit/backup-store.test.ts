import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { beforeEach, describe, expect, test } from 'vitest';
import { BackupStore } from '../../src/backups/backup-store.js';
import { ColdspareError } from '../../src/domain/errors.js';
import type { Manifest } from '../../src/domain/manifest.js';
import { noFaults } from '../../src/ports/faults.js';
import { MemoryDisk } from '../support/memory-disk.js';

const DIRECTORY = '/backups';
const DUMP = 'a dump of everything';

let disk: MemoryDisk;
let store: BackupStore;

const open = (maxBytes = 1000) => BackupStore.open(disk, DIRECTORY, noFaults, maxBytes);

/** Without the marker of the folder. */
const backupFiles = async () =>
  (await disk.list(DIRECTORY)).filter((name) => !name.startsWith('.'));

const manifest = (sequence: number, more: Partial<Manifest> = {}): Manifest => ({
  id: `ledger_20261122_12000${sequence}`,
  database: 'ledger',
  node: 'vcl2',
  takenAt: '2026-11-22T12:00:00.000Z',
  epoch: 1,
  sequence,
  lineage: 'ours',
  format: 'custom',
  bytes: DUMP.length,
  sha256: createHash('sha256').update(DUMP).digest('hex'),
  serverVersion: '15.8',
  ...more,
});

const upload = (id: string, content = DUMP) =>
  store.receive(id, Readable.from([Buffer.from(content)]));

const commit = async (backup: Manifest): Promise<void> => {
  await upload(backup.id);
  await store.commit(backup);
};

beforeEach(async () => {
  disk = new MemoryDisk();
  store = await open();
});

describe('receiving', () => {
  test('what is not committed does not exist (H05)', async () => {
    const { id } = manifest(1);
    expect(await upload(id)).toEqual({ bytes: DUMP.length, sha256: manifest(1).sha256 });
    expect(store.list()).toEqual([]);
    await expect(store.content(id)).rejects.toMatchObject({ code: 'backup-not-found' });
    expect((await open()).list()).toEqual([]);
    expect(await backupFiles()).toEqual([]);
  });

  test('a committed backup survives a restart, byte for byte', async () => {
    await commit(manifest(1));
    const again = await open();
    expect(again.list()).toEqual([{ ...manifest(1) }]);
    expect(await text(await again.content(manifest(1).id))).toBe(DUMP);
  });

  test('a torn upload leaves nothing', async () => {
    const torn = Readable.from(
      (async function* () {
        yield Buffer.from('half of');
        throw new Error('the sender vanished');
      })(),
    );
    await expect(store.receive(manifest(1).id, torn)).rejects.toThrow('the sender vanished');
    expect(await backupFiles()).toEqual([]);
  });

  test.each([
    ['fewer bytes', 'a dump of every', 'upload-torn'],
    ['other bytes', 'a dump of everythinG', 'digest-mismatch'],
  ])('%s than the manifest says are discarded', async (_what, content, code) => {
    await upload(manifest(1).id, content);
    await expect(store.commit(manifest(1))).rejects.toMatchObject({ code });
    expect(await backupFiles()).toEqual([]);
    await expect(store.commit(manifest(1))).rejects.toMatchObject({ code: 'upload-unknown' });
  });

  test('a committed backup is never overwritten', async () => {
    await commit(manifest(1));
    await expect(upload(manifest(1).id, 'something else')).rejects.toMatchObject({
      code: 'backup-exists',
    });
    await expect(store.commit(manifest(1, { sha256: 'b'.repeat(64) }))).rejects.toMatchObject({
      code: 'backup-exists',
    });
    expect(await text(await store.content(manifest(1).id))).toBe(DUMP);
  });

  test('the same commit again is the same backup', async () => {
    await commit(manifest(1));
    await store.commit(manifest(1));
    expect(store.list()).toHaveLength(1);
  });

  test('an upload that is repeated before its commit replaces the first', async () => {
    await upload(manifest(1).id, 'the first try was cut short');
    await commit(manifest(1));
    expect(await text(await store.content(manifest(1).id))).toBe(DUMP);
    expect(await backupFiles()).toHaveLength(2);
  });

  test('uploads that nobody commits do not fill the disk', async () => {
    for (const sequence of [1, 2, 3, 4, 5]) await upload(manifest(sequence).id);
    expect(await backupFiles()).toHaveLength(2);
  });

  describe('a long upload that broke off', () => {
    const LONG = 'x'.repeat(3 * 1024 * 1024);
    const { id } = manifest(1);
    const whole = manifest(1, {
      bytes: LONG.length,
      sha256: createHash('sha256').update(LONG).digest('hex'),
    });
    const send = (content: string, from: number) =>
      store.receive(id, Readable.from([Buffer.from(content)]), { from });
    const tear = async (at: number, code: 'upload-torn' | 'disk-full' = 'upload-torn') => {
      const torn = Readable.from(
        (async function* () {
          yield Buffer.from(LONG.slice(0, at));
          throw new ColdspareError(code, 'the sender vanished', 'send it again');
        })(),
      );
      await expect(store.receive(id, torn)).rejects.toMatchObject({ code });
    };

    beforeEach(async () => {
      store = await open(10 * LONG.length);
    });

    test('its last byte came and its end did not: it is committed as it is', async () => {
      await tear(LONG.length);
      expect(await store.uploaded(id)).toBe(LONG.length);
      await store.commit(whole);
      expect(await text(await store.content(id))).toBe(LONG);
      expect(await backupFiles()).toHaveLength(2);
    });

    test('goes on where it stopped, and is checked as a whole', async () => {
      await tear(2_000_000);
      const from = await store.uploaded(id);
      expect(from).toBe(2_000_000);
      const { bytes, sha256 } = whole;
      expect(await send(LONG.slice(from), from)).toEqual({ bytes, sha256 });
      await store.commit(whole);
      expect(await text(await store.content(id))).toBe(LONG);
    });

    test('with another rest is not the backup of the manifest', async () => {
      await tear(2_000_000);
      await send('y'.repeat(LONG.length - 2_000_000), 2_000_000);
      await expect(store.commit(whole)).rejects.toMatchObject({ code: 'digest-mismatch' });
      expect(await backupFiles()).toEqual([]);
    });

    test('goes on nowhere else, and tells where', async () => {
      await tear(2_000_000);
      await expect(send('rest', 1_999_999)).rejects.toMatchObject({
        code: 'upload-elsewhere',
        value: 2_000_000,
      });
      expect(await store.uploaded(id)).toBe(2_000_000);
    });

    test.each([
      { what: 'it comes anew', begin: () => send(LONG, 0), left: LONG.length },
      { what: 'another begins', begin: () => upload(manifest(2).id), left: 0 },
    ])('makes room when $what', async ({ begin, left }) => {
      await tear(2_000_000);
      await begin();
      expect(await store.uploaded(id)).toBe(left);
      expect(await backupFiles()).toHaveLength(1);
      await expect(send('rest', 2_000_000)).rejects.toMatchObject({ code: 'upload-elsewhere' });
    });

    test('is ended while there is still room for what else the machine has to write', async () => {
      disk.free = async () => (tooFull ? 63 : 65) * 1024 * 1024;
      let tooFull = false;
      const dump = Readable.from(
        (async function* () {
          yield Buffer.alloc(15 * 1024 * 1024);
          tooFull = true;
          yield Buffer.alloc(2 * 1024 * 1024);
        })(),
      );
      await expect(store.receive(id, dump)).rejects.toMatchObject({ code: 'disk-full' });
      expect(await backupFiles()).toEqual([]);
    });

    test('is kept for nobody after a restart, or when it was small, or when the disk is full', async () => {
      await tear(2_000_000, 'disk-full');
      expect(await backupFiles()).toEqual([]);
      await tear(500_000);
      expect(await backupFiles()).toEqual([]);
      await tear(2_000_000);
      expect(await (await open()).uploaded(id)).toBe(0);
      expect(await backupFiles()).toEqual([]);
    });
  });

  test('more than BACKUP_MAX_BYTES is refused, announced or not', async () => {
    store = await open(10);
    await expect(
      store.receive(manifest(1).id, Readable.from([]), { bytes: 11 }),
    ).rejects.toMatchObject({
      code: 'too-large',
    });
    await expect(upload(manifest(1).id)).rejects.toMatchObject({ code: 'too-large' });
    expect(await backupFiles()).toEqual([]);
  });

  test('what does not fit on the disk is refused before a byte is taken', async () => {
    disk.freeBytes = 1;
    await expect(
      store.receive(manifest(1).id, Readable.from([]), { bytes: 100 }),
    ).rejects.toMatchObject({
      code: 'disk-full',
    });
  });

  test('a disk that fills up during the commit leaves no half of a backup', async () => {
    await upload(manifest(1).id);
    disk.freeBytes = 0;
    await expect(store.commit(manifest(1))).rejects.toMatchObject({ code: 'disk-full' });
    expect(store.list()).toEqual([]);
    expect(await backupFiles()).toEqual([]);
  });
});

describe('starting after a crash', () => {
  test.each([
    ['a dump without its manifest', `${manifest(2).id}.dump`],
    ['an upload that was cut', `${manifest(2).id}.0.part`],
  ])('%s is removed, the good one stays', async (_what, file) => {
    await commit(manifest(1));
    await disk.write(`${DIRECTORY}/${file}`, 'left over');
    // As the agent had written down before it began with the dump.
    const unfinished = [manifest(2).id];
    await disk.write(`${DIRECTORY}/.coldspare`, JSON.stringify({ unfinished }));
    expect((await open()).list().map(({ id }) => id)).toEqual([manifest(1).id]);
    expect(disk.files.has(`${DIRECTORY}/${file}`)).toBe(false);
    expect(await backupFiles()).toHaveLength(2);
  });

  test.each(['receive.commit during', 'prune'])('a crash in %s leaves no dump', async (moment) => {
    const crash = async (label: string, when: string) => {
      if (`${label} ${when}` === moment) throw new Error('killed');
    };
    store = await BackupStore.open(disk, DIRECTORY, { at: crash }, 1000);
    const remove = disk.remove.bind(disk);
    if (moment === 'prune') {
      await commit(manifest(2));
      await commit(manifest(1));
    }
    disk.remove = async (path) => {
      if (path.endsWith('.dump')) throw new Error('killed');
      return remove(path);
    };
    const cut =
      moment === 'prune'
        ? store.prune('ours', { newest: 1, daily: 0, weekly: 0 })
        : commit(manifest(1));
    await expect(cut).rejects.toThrow('killed');
    disk.remove = remove;
    expect(disk.files.has(`${DIRECTORY}/${manifest(1).id}.dump`)).toBe(true);
    await open();
    expect(disk.files.has(`${DIRECTORY}/${manifest(1).id}.dump`)).toBe(false);
  });

  test('a dump that was cut on disk is not listed', async () => {
    await commit(manifest(1));
    await disk.write(`${DIRECTORY}/${manifest(1).id}.dump`, DUMP.slice(0, 5));
    expect((await open()).list()).toEqual([]);
  });

  test('a manifest that was damaged is not believed', async () => {
    await commit(manifest(1));
    await disk.write(`${DIRECTORY}/${manifest(1).id}.json`, '{"id":');
    expect((await open()).list()).toEqual([]);
  });
});

describe('reading for a restore', () => {
  test('bytes that have changed on disk are found out at the end', async () => {
    await commit(manifest(1));
    await disk.write(`${DIRECTORY}/${manifest(1).id}.dump`, DUMP.toUpperCase());
    const content = await store.verifiedContent(manifest(1).id, () => {});
    await expect(text(content)).rejects.toMatchObject({ code: 'backup-unusable' });
  });

  test('says how far it is', async () => {
    await commit(manifest(1));
    const seen: number[] = [];
    expect(await text(await store.verifiedContent(manifest(1).id, (done) => seen.push(done)))).toBe(
      DUMP,
    );
    expect(seen.at(-1)).toBe(DUMP.length);
  });
});

test('pruning keeps the newest by order, and their files only', async () => {
  for (const sequence of [3, 1, 2]) await commit(manifest(sequence));
  expect(await store.prune('ours', { newest: 2, daily: 0, weekly: 0 })).toEqual([manifest(1).id]);
  expect(store.list().map(({ sequence }) => sequence)).toEqual([3, 2]);
  expect(await backupFiles()).toHaveLength(4);
});

test('where there is no room for new backups, those of earlier days give way, the oldest first', async () => {
  const retention = { newest: 1, daily: 7, weekly: 4 };
  for (const day of [1, 2, 3, 4])
    await commit(manifest(day, { takenAt: `2026-11-2${day}T12:00:00.000Z` }));
  expect(await store.prune('ours', retention)).toEqual([]);
  disk.freeBytes = 64 * 1024 * 1024;
  const held = new Set([manifest(2).id]);
  expect(await store.prune('ours', retention, held)).toEqual([manifest(1).id, manifest(3).id]);
  expect(store.list().map(({ sequence }) => sequence)).toEqual([4, 2]);
});
