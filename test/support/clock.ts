import { existsSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, describe } from 'vitest';
import { describePostgres } from './postgres.js';

const LIBRARY = [
  `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/faketime/libfaketimeMT.so.1`,
].find(existsSync);

/** `describe` for tests that set the clock of a machine; skipped with the reason in its name, but never in CI. */
export const describeClock = (name: string, tests: () => void): void => {
  if (LIBRARY !== undefined) {
    describePostgres(name, () => {
      // Before the other hooks, so that it runs after them.
      afterAll(removeSharedMemory);
      tests();
    });
  } else if (process.env.CI === 'true') {
    throw new Error(`${name}: libfaketime is not installed`);
  } else {
    console.warn(`SKIPPED ${name}: libfaketime is not installed`);
    describe.skip(`${name} (libfaketime is not installed)`, tests);
  }
};

const SHARED_MEMORY = '/dev/shm';

/** A process that was killed leaves the shared memory of its library behind. */
const removeSharedMemory = async (): Promise<void> => {
  for (const name of await readdir(SHARED_MEMORY)) {
    const pid = /^(?:sem\.)?faketime_(?:sem|shm)_(\d+)$/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`))
      await rm(join(SHARED_MEMORY, name), { force: true });
  }
};

/** The wall clock of one machine: of its agent and of everything that the agent starts. */
export class MachineClock {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  /** The environment for the agent. Only the time of day changes; timers and intervals run as before. */
  get environment(): Record<string, string> {
    return {
      LD_PRELOAD: LIBRARY ?? '',
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    };
  }

  /** Sets the clock `offset` seconds ahead of the right time, for running programs as well; behind it when negative. */
  async set(offset: number): Promise<void> {
    await writeFile(this.#file, `${offset < 0 ? '' : '+'}${offset}s\n`);
  }
}
