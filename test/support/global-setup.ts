import { spawnSync } from 'node:child_process';
import { cp } from 'node:fs/promises';
import { rolldown } from 'rolldown';
import type { TestProject } from 'vitest/node';
import { commitSeed } from '../../scripts/lib/commit-seed.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** Of everything that a run draws. */
    seed: number;
    /** Whether nothing is left out. */
    isSoak: boolean;
  }
}

/** Where the tests' agents start from. */
const BUNDLE = 'dist/test-agent';

/** They bring native code, WebAssembly or threads, which no bundle holds. */
const EXTERNAL = ['ssh2', 'cpu-features', 'pino'];

export default async ({ provide }: TestProject): Promise<void> => {
  const seed = commitSeed();
  const isSoak = process.env.SOAK === 'true';
  provide('seed', seed);
  provide('isSoak', isSoak);
  if (!isSoak)
    console.log(
      `What is long by nature is drawn by seed ${seed}: TEST_SEED=${seed} draws the same, npm run soak all of it.`,
    );
  build();
  await bundleAgent();
};

/**
 * Builds dist/, so that tests can start real agents. A type error is printed and does not stop the tests:
 * the compiler writes its output all the same, and `npm run check` is what refuses it.
 */
const build = (): void => {
  const { error, status, stdout } = spawnSync(
    'node_modules/.bin/tsc',
    ['-p', 'tsconfig.json', '--pretty', 'false'],
    { encoding: 'utf8' },
  );
  if (error) throw new Error('the compiler cannot be started; run npm ci first', { cause: error });
  if (status !== 0) console.warn(`dist/ was built in spite of these errors:\n${stdout}`);
};

/** One file instead of hundreds: an agent of the tests starts with half the work. What is loaded late is a file of its own. */
const bundleAgent = async (): Promise<void> => {
  const bundle = await rolldown({
    input: 'dist/src/main.js',
    platform: 'node',
    external: EXTERNAL,
    logLevel: 'warn',
  });
  await bundle.write({
    dir: BUNDLE,
    format: 'esm',
    entryFileNames: 'main.js',
    cleanDir: true,
    // A sixth less work at each start. Names stay, for whoever reads a stack.
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  });
  await bundle.close();
  // Read beside the file that asks for them.
  await cp('src/http/page/browser', `${BUNDLE}/browser`, { recursive: true });
};
