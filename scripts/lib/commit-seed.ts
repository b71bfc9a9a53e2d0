import { execFileSync } from 'node:child_process';

/** TEST_SEED, else a number made from the commit: each commit draws differently, and the same commit draws the same. */
export const commitSeed = (): number => {
  if (process.env.TEST_SEED !== undefined) return Number(process.env.TEST_SEED);
  try {
    const commit = execFileSync('git', ['rev-parse', '--short=7', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return Number.parseInt(commit.slice(0, 7), 16);
  } catch {
    // Not a git clone.
    return 1;
  }
};
