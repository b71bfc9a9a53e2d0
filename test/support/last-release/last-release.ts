import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';

/**
 * The program of the agents that run today, commit ee3578f, as one bundle (rolldown, minified): a clone of the project
 * need not have the history. The directories of `version-before` were left by it.
 */
const ARCHIVE = 'test/support/last-release/agent.tar.gz';

/** Unpacks it, where it finds the packages of the project. Answers the program's path. */
export const unpackLastRelease = (): string => {
  const directory = resolve('dist/last-release');
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  execFileSync('tar', ['-xzf', resolve(ARCHIVE), '-C', directory]);
  return `${directory}/agent/main.js`;
};
