import { describe, expect, test } from 'vitest';
import { openSpool } from '../../src/drivers/postgres/spool.js';
import type { Executor } from '../../src/drivers/run-command.js';

const MIB = 1024 * 1024;
const FILE = '/tmp/coldspare-restore.dump';

/** A container whose /tmp is of this kind, with 16 GB free by its own account. */
const container = (kind: string): Executor => ({
  run: async ([program]) => {
    if (program === 'stat') return `${kind}\n`;
    if (program !== 'df') return '';
    return `Filesystem 1024-blocks Used Available Capacity Mounted on\n${kind} 16777216 0 16777216 0% /tmp\n`;
  },
  open: () => {
    throw new Error('nothing is opened for this');
  },
});

describe('where several jobs read a dump from', () => {
  test.each([
    ['ext2/ext3', 2_000, FILE],
    ['overlayfs', 2_000, FILE],
    ['ext2/ext3', 5_000, undefined],
    ['ext2/ext3', 4, undefined],
  ])('on %s, %d MiB: %s', async (kind, size, file) => {
    expect(await openSpool(container(kind), { folder: '/tmp', jobs: 2 }, size * MIB)).toBe(file);
  });

  test('a container keeps /tmp in its memory: a large dump would have its database killed, and is streamed', async () => {
    const open = (size: number) =>
      openSpool(container('tmpfs'), { folder: '/tmp', jobs: 2 }, size * MIB);
    expect(await open(2_000)).toBeUndefined();
    expect(await open(30)).toBe(FILE);
  });
});
