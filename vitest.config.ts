import { defineConfig } from 'vitest/config';
import { commitSeed } from './scripts/lib/commit-seed.js';
import { filesLeftOut } from './test/support/draw-files.js';
import { LongestFirst } from './test/support/longest-first.js';
import { scratchDirectory } from './test/support/scratch.js';

// Inherited by every test and by every program that it starts.
process.env.TMPDIR = scratchDirectory();

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Set by ./scripts/test, unless it is told which files to run.
    exclude: process.env.TEST_FILES === 'drawn' ? filesLeftOut(commitSeed()) : [],
    globalSetup: [
      'test/support/global-setup.ts',
      'test/support/cluster-template.ts',
      'test/support/leaks-run.ts',
    ],
    setupFiles: ['test/support/leaks-file.ts', 'test/support/last-words.ts'],
    reporters: ['default', './test/support/closing-line.ts'],
    // A process for each worker, so that what a file leaves behind can be told from what the files beside it use. The
    // files of one worker follow each other and share their modules, whose import takes a second or two.
    pool: 'forks',
    isolate: false,
    // Most files wait for their processes rather than compute: one more than there are cores of a small machine.
    maxWorkers: Number(process.env.TEST_WORKERS ?? 3),
    sequence: { sequencer: LongestFirst },
    // Two thousand tests with real processes on a machine that others use: one that fails is looked at once more. What
    // passed only then is named at the end of the run, with why it failed, and is to be looked into.
    retry: process.env.CI === 'true' ? 1 : 0,
    // A busy machine is not a failure.
    expect: { poll: { timeout: 60_000 } },
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
});
