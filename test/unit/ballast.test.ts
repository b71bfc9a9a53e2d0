import { beforeEach, describe, expect, test } from 'vitest';
import { Ballast } from '../../src/state/ballast.js';
import { MemoryDisk } from '../support/memory-disk.js';

const MIB = 1024 * 1024;

let disk: MemoryDisk;
let ballast: Ballast;
beforeEach(() => {
  disk = new MemoryDisk();
  ballast = new Ballast(disk, '/state');
});
const files = () => disk.list('/state');

describe('room that is kept for a promise on a full disk', () => {
  test('is there once there is room to spare, given away once, and made again', async () => {
    disk.freeBytes = 64 * MIB;
    await ballast.create();
    expect(await files()).toEqual([]);
    expect(await ballast.drop()).toBe(false);

    disk.freeBytes = 70 * MIB;
    await ballast.create();
    await ballast.create();
    expect(await disk.size('/state/ballast')).toBe(MIB / 8);
    expect(await ballast.drop()).toBe(true);
    expect(await files()).toEqual([]);
    await ballast.create();
    expect(await files()).toEqual(['ballast']);
  });
});
