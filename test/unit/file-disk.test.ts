import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { finished, pipeline } from 'node:stream/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createFileDisk } from '../../src/drivers/file-disk.js';

const disk = createFileDisk();
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'disk-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const run = (program: string, ...args: string[]) =>
  execFileSync(program, args, { stdio: 'ignore' });
const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

test('what is absent is absent, not an error', async () => {
  const path = join(directory, 'nothing');
  expect(await disk.read(path)).toBeUndefined();
  expect(await disk.size(path)).toBeUndefined();
  expect(await disk.list(path)).toEqual([]);
  await disk.remove(path);
  await expect(disk.reader(path)).rejects.toMatchObject({ code: 'ENOENT' });
});

test('files and directories are for the agent alone', async () => {
  const path = join(directory, 'state', 'operations', 'one.json');
  await disk.write(path, 'ü');
  expect(await disk.read(path)).toBe('ü');
  expect(await disk.size(path)).toBe(2);
  expect(await modeOf(path)).toBe(0o600);
  expect(await modeOf(join(directory, 'state'))).toBe(0o700);
  expect(await modeOf(join(directory, 'state', 'operations'))).toBe(0o700);
});

test('many writes of one file at once leave the last one, whole, and nothing else', async () => {
  const path = join(directory, 'state.json');
  const texts = Array.from({ length: 50 }, (_, index) => `${index}`.repeat(10_000));
  await Promise.all(texts.map((content) => disk.write(path, content)));
  expect(await disk.read(path)).toBe(texts.at(-1));
  expect(await readdir(directory)).toEqual(['state.json']);
});

test('what a crash left of a write is in nobody’s way', async () => {
  const path = join(directory, 'state.json');
  await disk.write(path, 'before');
  await writeFile(`${path}.tmp`, 'half of a much longer text than the next one');
  expect(await disk.read(path)).toBe('before');
  await disk.write(path, 'after');
  expect(await disk.read(path)).toBe('after');
  expect(await readdir(directory)).toEqual(['state.json']);
});

test('a write that fails does not stop the next one', async () => {
  const path = join(directory, 'file');
  await writeFile(path, '');
  await expect(disk.write(join(path, 'below'), 'x')).rejects.toThrow('ENOTDIR');
  await disk.write(join(directory, 'other'), 'x');
  expect(await disk.read(join(directory, 'other'))).toBe('x');
});

test('a write that finds the disk full leaves the old file, and nothing that takes space', async () => {
  const path = join(directory, 'state.json');
  await disk.write(path, 'before');
  await symlink('/dev/full', `${path}.tmp`);
  await expect(disk.write(path, 'after')).rejects.toMatchObject({ code: 'disk-full' });
  expect(await readdir(directory)).toEqual(['state.json']);
  expect(await disk.read(path)).toBe('before');
});

test('a rename replaces what was there', async () => {
  await disk.write(join(directory, 'a'), 'new');
  await disk.write(join(directory, 'b'), 'old');
  await disk.rename(join(directory, 'a'), join(directory, 'b'));
  expect(await disk.list(directory)).toEqual(['b']);
  expect(await disk.read(join(directory, 'b'))).toBe('new');
});

describe('a writer', () => {
  test('has written everything when it finishes', async () => {
    const path = join(directory, 'backups', 'one.part');
    const pieces = Array.from({ length: 100 }, (_, index) => Buffer.alloc(10_000, index));
    await pipeline(Readable.from(pieces), await disk.writer(path));
    expect((await readFile(path)).equals(Buffer.concat(pieces))).toBe(true);
    expect(await modeOf(path)).toBe(0o600);
    expect(await text(await disk.reader(path))).toHaveLength(1_000_000);
  });

  test('never writes into a file that is there', async () => {
    const path = join(directory, 'one.part');
    await disk.write(path, 'there');
    await expect(disk.writer(path)).rejects.toMatchObject({ code: 'EEXIST' });
    expect(await disk.read(path)).toBe('there');
  });

  test('that is destroyed closes its file', async () => {
    const before = (await readdir('/proc/self/fd')).length;
    for (let round = 0; round < 20; round += 1) {
      const file = await disk.writer(join(directory, `${round}`));
      file.write('x');
      file.destroy(new Error('torn'));
      await expect(finished(file)).rejects.toThrow('torn');
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await readdir('/proc/self/fd')).length).toBeLessThan(before + 10);
  });
});

describe('a reader takes regular files only', () => {
  test('no link: what it leads to may change', async () => {
    const path = join(directory, 'link');
    await disk.write(join(directory, 'file'), 'x');
    await symlink(join(directory, 'file'), path);
    await expect(disk.reader(path)).rejects.toMatchObject({ code: 'ELOOP' });
  });

  test('no directory, no device', async () => {
    for (const path of [directory, '/dev/zero'])
      await expect(disk.reader(path)).rejects.toMatchObject({ code: 'invalid-request' });
  });

  test('no pipe, and it does not wait for one', async () => {
    const path = join(directory, 'pipe');
    run('mkfifo', path);
    await expect(disk.reader(path)).rejects.toMatchObject({ code: 'invalid-request' });
  });
});

test('free space is told for a directory that is still to be made', async () => {
  expect(await disk.free(join(directory, 'backups'))).toBeGreaterThan(0);
  expect(existsSync(join(directory, 'backups'))).toBe(true);
});

/** A file system of 1 MiB needs root; elsewhere nobody can fill a disk on purpose. */
const mountSmall = (path: string): boolean => {
  try {
    run('mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', path);
    return true;
  } catch {
    return false;
  }
};

describe('a full disk', () => {
  test('is named by every way of writing', async (context) => {
    const small = join(directory, 'small');
    await disk.free(small);
    await chmod(small, 0o700);
    if (!mountSmall(small)) return context.skip('mount is not permitted here');
    try {
      const file = await disk.writer(join(small, 'one.part'));
      const flood = Readable.from(Array.from({ length: 64 }, () => Buffer.alloc(65_536)));
      await expect(pipeline(flood, file)).rejects.toMatchObject({ code: 'disk-full' });
      await expect(
        disk.write(join(small, 'state.json'), 'x'.repeat(100_000)),
      ).rejects.toMatchObject({
        code: 'disk-full',
        remedy: expect.stringContaining('BACKUP_KEEP'),
      });
      await disk.remove(join(small, 'one.part'));
      await disk.write(join(small, 'state.json'), 'x'.repeat(100_000));
      expect(await disk.size(join(small, 'state.json'))).toBe(100_000);
    } finally {
      run('umount', small);
    }
  });
});
