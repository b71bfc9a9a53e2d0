import { ColdspareError } from '../../domain/errors.js';
import type { Executor } from '../command.js';
import type { PsqlSession } from './psql-session.js';
import type { Server } from './tools.js';

const TIMEOUT_MS = 10_000;

/**
 * Bytes that are free where the server's databases lie: in a container, that is its volume.
 * @throws when the user may not ask for the directory, or may not look at it
 */
export const freeBytes = async (server: Server, session: PsqlSession): Promise<number> => {
  const { directory } = await session.row<{ directory: string }>(
    `SELECT current_setting('data_directory') AS directory`,
  );
  return freeBytesIn(server.executor, directory);
};

/** Bytes that are free in `directory`, as `df` sees it where the executor runs programs. */
export const freeBytesIn = async (executor: Executor, directory: string): Promise<number> => {
  const said = await executor.run(['df', '-Pk', directory], { timeout: TIMEOUT_MS });
  // POSIX: file system, blocks, used, available, capacity, mount point; the first may have blanks, no number has.
  const [, kilobytes] = /\s\d+\s+\d+\s+(\d+)\s+\d+%/.exec(said) ?? [];
  if (kilobytes !== undefined) return Number(kilobytes) * 1024;
  throw new ColdspareError('command-failed', `df of ${directory} said ${said}`, 'run it by hand');
};
