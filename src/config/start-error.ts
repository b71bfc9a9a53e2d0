import { ColdspareError } from '../domain/errors.js';
import type { Config } from './config.js';

/** What the system says most often. */
const MEANINGS: Partial<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  EROFS: 'the file system is read-only',
  ENOENT: 'there is no such folder',
  ENOTDIR: 'a part of the path is a file',
  EEXIST: 'it is a file',
};

/**
 * Throws an error of the system at the start of an agent as one that names the variable, and any other error as it is.
 * @throws ColdspareError `invalid-request`
 */
export const explainStart =
  (config: Config) =>
  (error: unknown): never => {
    const { code = '', path } = error as NodeJS.ErrnoException;
    if (error instanceof ColdspareError || path === undefined) throw error;
    const variable = folderOf(path, config);
    if (variable === undefined) throw error;
    const folder = config[variable];
    throw new ColdspareError(
      'invalid-request',
      `${variable}=${folder} cannot be used: ${MEANINGS[code] ?? String(error)} (${code})${path === folder ? '' : ` at ${path}`}`,
      `make it a folder of the user that runs the agent: install -d -m 700 -o USER ${folder}`,
      { cause: error },
    );
  };

/** BACKUP_DIR is in STATE_DIR unless it is set. The system may name a folder above the one that was asked for. */
const folderOf = (
  path: string,
  { STATE_DIR, BACKUP_DIR }: Config,
): 'STATE_DIR' | 'BACKUP_DIR' | undefined => {
  if (isIn(BACKUP_DIR, path)) return 'BACKUP_DIR';
  if (isIn(STATE_DIR, path) || isIn(path, STATE_DIR)) return 'STATE_DIR';
  return isIn(path, BACKUP_DIR) ? 'BACKUP_DIR' : undefined;
};

const isIn = (folder: string, path: string): boolean => `${path}/`.startsWith(`${folder}/`);
