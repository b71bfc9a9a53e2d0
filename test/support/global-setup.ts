import { spawnSync } from 'node:child_process';
import { cp } from 'node:fs/promises';
import { rolldown } from 'rolldown';
import type { TestProject } from 'vitest/node';
import { commitSeed } from '../../scripts/lib/commit-seed.js';
import { COSTLY } from './costly-files.js';
import { NEIGHBORS } from './draw-files.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** The seed of everything that a run draws. */
    seed: number;
    /** Whether this is `npm run soak`, which leaves nothing out. */
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
      `${whatIsDrawn()} by seed ${seed}. TEST_SEED=${seed} repeats it; npm run soak leaves nothing out.`,
    );
  build();
  await bundleAgent();
};

const whatIsDrawn = (): string =>
  process.env.TEST_FILES === 'drawn'
    ? `One of each ${NEIGHBORS} of the ${COSTLY.length} costliest test files, and a sample of what takes long in each, are drawn`
    : 'A sample of what takes long is drawn';

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

/** Bundles the agent into one file, which starts twice as fast as hundreds. What is imported late becomes its own file. */
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
    // A start takes a sixth less. Names are kept for stack traces.
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  });
  await bundle.close();
  // The agent reads them from beside its own file.
  await cp('src/http/page/browser', `${BUNDLE}/browser`, { recursive: true });
};
