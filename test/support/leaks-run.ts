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

/** Finds what a test file left behind when its process died before it could check itself. */
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
 * A file whose tests were all skipped runs no hook, so its folder is still there. It is removed here, and must be empty.
 */
const removeUnused = async (root: string): Promise<void> => {
  for (const folder of await readdir(root)) await rmdir(join(root, folder)).catch(() => {});
};
