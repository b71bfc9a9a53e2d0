import { execFileSync } from 'node:child_process';

/** TEST_SEED, else a number of the commit: every commit draws anew, and what it drew can be repeated. */
export const commitSeed = (): number => {
  if (process.env.TEST_SEED !== undefined) return Number(process.env.TEST_SEED);
  try {
    const commit = execFileSync('git', ['rev-parse', '--short=7', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return Number.parseInt(commit.slice(0, 7), 16);
  } catch {
    // No clone, but a copy of the files.
    return 1;
  }
};
