import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BackupStore } from '../../src/backups/backup-store.js';
import { createFileDisk } from '../../src/drivers/file-disk.js';
import { noFaults } from '../../src/ports/faults.js';

/** Named as the old scripts name their dumps, and as ours are. */
const OLD_SCRIPT = 'coffee_db_20251122_193000.dump';
const OTHERS = ['other_app.dump', 'iso.part', 'report.json', OLD_SCRIPT, 'notes.txt'];

describe('H46: BACKUP_DIR is a folder that other programs use too', () => {
  let directory: string;
  beforeEach(async () => {
    directory = join(await mkdtemp(join(tmpdir(), 'shared-')), 'dumps');
    await mkdir(directory);
  });
  afterEach(() => rm(join(directory, '..'), { recursive: true, force: true }));

  const start = () => BackupStore.open(createFileDisk(), directory, noFaults, 1024);
  const put = (names: string[]) =>
    Promise.all(names.map((name) => writeFile(join(directory, name), `of others: ${name}`)));
  const others = async () => (await readdir(directory)).filter((name) => OTHERS.includes(name));

  test('no start, first or later, touches a file of theirs, whatever it is called', async () => {
    await put(OTHERS);
    await start();
    expect((await others()).sort()).toEqual([...OTHERS].sort());
    await (await start()).prune('ours', { newest: 1, daily: 0, weekly: 0 });
    expect((await others()).sort()).toEqual([...OTHERS].sort());
  });

  test('a directory named like a manifest, and a file named like our folder, are no hindrance', async () => {
    await mkdir(join(directory, 'report.json'));
    await put(['quarantine']);
    expect((await start()).list()).toEqual([]);
    expect((await start()).quarantined()).toEqual([]);
  });

  test('what they put there later is theirs as well', async () => {
    await start();
    await put(OTHERS);
    await start();
    await start();
    expect((await others()).sort()).toEqual([...OTHERS].sort());
  });

  test('a backup of the same name does not overwrite their dump', async () => {
    const store = await start();
    await put([OLD_SCRIPT]);
    const id = OLD_SCRIPT.replace('.dump', '');
    const received = await store.receive(id, Readable.from([Buffer.from('a dump of ours')]));
    const commit = store.commit({
      ...{ id, database: 'coffee_dev', node: 'vcl2', lineage: 'ours', epoch: 1, sequence: 1 },
      ...{ format: 'custom', serverVersion: '15.8', takenAt: '2025-11-22T19:30:00.000Z' },
      ...received,
    });
    await expect(commit).rejects.toMatchObject({
      code: 'backup-exists',
      message: expect.stringContaining(OLD_SCRIPT),
    });
    expect(await readFile(join(directory, OLD_SCRIPT), 'utf8')).toBe(`of others: ${OLD_SCRIPT}`);
  });
});
