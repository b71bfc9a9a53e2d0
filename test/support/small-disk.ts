import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { runCommand } from '../../src/drivers/run-command.js';
import { describePostgres } from './postgres.js';

const TIMEOUT = 10_000;

/** More than a backup store wants to keep free (64 MiB). */
const SIZE = '96m';

const mountArgv = (directory: string) =>
  ['mount', '-t', 'tmpfs', '-o', `size=${SIZE}`, 'tmpfs', directory] as const;

const mayMount = (): boolean => {
  const directory = mkdtempSync(join(tmpdir(), 'coldspare-mount-'));
  try {
    const [program, ...args] = mountArgv(directory);
    execFileSync(program, args, { stdio: 'ignore' });
    execFileSync('umount', [directory]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(directory, { recursive: true });
  }
};

/** `describe` for tests that mount a file system and need PostgreSQL; skipped with its reason, but never in CI. */
export const describeMount = (name: string, tests: () => void): void => {
  if (mayMount()) {
    describePostgres(name, tests);
  } else if (process.env.CI === 'true') {
    throw new Error(`${name}: no file system can be mounted here (run as root)`);
  } else {
    console.warn(`SKIPPED ${name}: no file system can be mounted here (run as root)`);
    describe.skip(`${name} (no file system can be mounted here)`, tests);
  }
};

/** A real file system that is small enough for a test to fill. */
export class SmallDisk {
  readonly #mountPoint: string;

  private constructor(mountPoint: string) {
    this.#mountPoint = mountPoint;
  }

  static async mount(): Promise<SmallDisk> {
    const mountPoint = await mkdtemp(join(tmpdir(), 'coldspare-disk-'));
    await runCommand(mountArgv(mountPoint), { timeout: TIMEOUT });
    return new SmallDisk(mountPoint);
  }

  /** A new empty directory on it. */
  newDirectory(): string {
    return mkdtempSync(join(this.#mountPoint, 'node-'));
  }

  /** Whether a directory of `newDirectory` holds this file. */
  has(name: string): boolean {
    return readdirSync(this.#mountPoint).some((entry) =>
      existsSync(join(this.#mountPoint, entry, name)),
    );
  }

  /** Fills it: from now on writes fail with ENOSPC. */
  async fill(): Promise<void> {
    const file = await open(this.#filler, 'a');
    try {
      for (let size = 8 * 1024 * 1024; size >= 1; size = Math.floor(size / 8)) {
        const zeros = Buffer.alloc(size);
        while (await fits(file.appendFile(zeros)));
      }
    } finally {
      await file.close();
    }
  }

  async free(): Promise<void> {
    await rm(this.#filler, { force: true });
  }

  async unmount(): Promise<void> {
    await runCommand(['umount', this.#mountPoint], { timeout: TIMEOUT });
    await rm(this.#mountPoint, { recursive: true });
  }

  get #filler(): string {
    return join(this.#mountPoint, 'filler');
  }
}

const fits = (write: Promise<void>): Promise<boolean> =>
  write.then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOSPC') return false;
      throw error;
    },
  );
