import { chmod, mkdtemp, readdir, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { canSeeProcesses, findLeaks, removeLeaks } from './leaks.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** Every test file has its temporary directory in it. */
    temporaryRoot: string;
  }
}

/** The second guard: finds what a test file left that could not look itself, since its process had died. */
export default async ({ provide }: TestProject): Promise<() => Promise<void>> => {
  if (!canSeeProcesses) {
    console.warn('leak guard: there is no /proc here, so left processes and ports cannot be seen');
  }
  const root = await mkdtemp(join(tmpdir(), 'coldspare-'));
  await chmod(root, 0o755);
  provide('temporaryRoot', root);

  return async () => {
    await removeUnused(root);
    const leaks = await findLeaks(root);
    await removeLeaks(root, leaks);
    if (leaks.descriptions.length === 0) return;
    console.error(
      `test files left behind, at the end of the run:\n  ${leaks.descriptions.join('\n  ')}`,
    );
    // Vitest prints what a teardown throws, and exits with 0 all the same.
    process.exitCode = 1;
  };
};

/**
 * A file of which every test was skipped runs no hook, so its folder is still there: ours to remove, and empty unless the
 * file made something in it all the same.
 */
const removeUnused = async (root: string): Promise<void> => {
  for (const folder of await readdir(root)) await rmdir(join(root, folder)).catch(() => {});
};
