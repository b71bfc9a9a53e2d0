import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: [
      'test/support/global-setup.ts',
      'test/support/cluster-template.ts',
      'test/support/leaks-run.ts',
    ],
    setupFiles: ['test/support/leaks-file.ts'],
    reporters: ['default', './test/support/closing-line.ts'],
    // A process of its own for every file, so that what it leaves behind can be told from the others' things.
    pool: 'forks',
    maxWorkers: 2,
    // A busy machine is not a failure.
    expect: { poll: { timeout: 20_000 } },
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
