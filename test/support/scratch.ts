import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MEMORY = '/dev/shm';
/** Bytes that the tests need at the most: databases, dumps and the images of three Docker engines. */
const NEEDED = 8 * 1024 ** 3;

/**
 * Where the tests keep their databases, journals and dumps: in memory, where there is enough of it. Hundreds of servers
 * sync every write, and on one disk they would wait for each other. TMPDIR says otherwise.
 */
export const scratchDirectory = (): string =>
  process.env.TMPDIR === undefined && isUsable(MEMORY) ? MEMORY : tmpdir();

/** Programs that tests write are started from there, which some systems do not allow. */
const isUsable = (directory: string): boolean => {
  try {
    const { bavail, bsize } = statfsSync(directory);
    if (bavail * bsize < NEEDED) return false;
    const probe = mkdtempSync(join(directory, 'coldspare-probe-'));
    try {
      const program = join(probe, 'program');
      writeFileSync(program, '#!/bin/sh\n', { mode: 0o700 });
      execFileSync(program, { stdio: 'ignore', timeout: 10_000 });
    } finally {
      rmSync(probe, { recursive: true, force: true });
    }
    return true;
  } catch {
    return false;
  }
};
