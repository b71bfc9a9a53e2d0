import { defineConfig } from 'vitest/config';
import { scratchDirectory } from './test/support/scratch.js';
import { SlowFirst } from './test/support/slow-first.js';

// Inherited by every test and by every program that it starts.
process.env.TMPDIR = scratchDirectory();

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: [
      'test/support/global-setup.ts',
      'test/support/cluster-template.ts',
      'test/support/leaks-run.ts',
    ],
    setupFiles: ['test/support/leaks-file.ts', 'test/support/last-words.ts'],
    reporters: ['default', './test/support/closing-line.ts'],
    // A process of its own for every file, so that what it leaves behind can be told from the others' things.
    pool: 'forks',
    // Most files wait for their processes rather than compute: one more than there are cores of a small machine.
    maxWorkers: Number(process.env.TEST_WORKERS ?? 3),
    sequence: { sequencer: SlowFirst },
    // Two thousand tests with real processes on a machine that others use: one that fails is looked at once more. What
    // passed only then is named at the end of the run, with why it failed, and is to be looked into.
    retry: process.env.CI === 'true' ? 1 : 0,
    // A busy machine is not a failure.
    expect: { poll: { timeout: 20_000 } },
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
