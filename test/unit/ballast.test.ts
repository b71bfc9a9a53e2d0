import { beforeEach, describe, expect, test } from 'vitest';
import { ColdspareError } from '../../src/domain/errors.js';
import { Ballast } from '../../src/state/ballast.js';
import { MemoryDisk } from '../support/memory-disk.js';

const MIB = 1024 * 1024;

let disk: MemoryDisk;
let ballast: Ballast;
beforeEach(() => {
  disk = new MemoryDisk();
  ballast = new Ballast(disk, '/state');
});
/** Fails twice for want of space. */
const onFullDisk = () => {
  let count = 0;
  const write = async (): Promise<string> => {
    count += 1;
    if (count < 3) throw new ColdspareError('disk-full', 'the disk is full (ENOSPC)', 'free space');
    return 'written';
  };
  return { write, tries: () => count };
};
const files = () => disk.list('/state');

describe('room that is kept for a promise on a full disk', () => {
  test('is there once there is room to spare, given away once, and made again', async () => {
    disk.freeBytes = 64 * MIB;
    await ballast.create();
    expect(await files()).toEqual([]);
    const { write, tries } = onFullDisk();
    await expect(ballast.withRoom(write)).rejects.toThrow('the disk is full');
    expect(tries()).toBe(1);

    disk.freeBytes = 70 * MIB;
    await ballast.create();
    await ballast.create();
    expect(await disk.size('/state/ballast')).toBe(MIB / 8);
    expect(await ballast.withRoom(write)).toBe('written');
    expect(tries()).toBe(3);
    expect(await files()).toEqual([]);
    await ballast.create();
    expect(await files()).toEqual(['ballast']);
  });

  test('stays for a promise when a write fails for another reason', async () => {
    disk.freeBytes = 70 * MIB;
    await ballast.create();
    const failing = () => Promise.reject(new Error('the disk is read-only'));
    await expect(ballast.withRoom(failing)).rejects.toThrow('the disk is read-only');
    expect(await files()).toEqual(['ballast']);
  });
});
