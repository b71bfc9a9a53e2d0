import { defineConfig } from 'vitest/config';
import project from '../../../vitest.config.js';

/** The project's own guards and reporters around test files that are meant to fail. */
export default defineConfig({
  test: {
    ...project.test,
    include: ['test/support/leaks-fixtures/*.fixture.ts'],
    // No build: the tests that run at the same time use dist/.
    globalSetup: ['test/support/leaks-run.ts'],
  },
});
