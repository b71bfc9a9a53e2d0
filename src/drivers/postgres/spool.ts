import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { ColdspareError, isError } from '../../domain/errors.js';
import type { CommandOptions, Executor } from '../command.js';
import { freeBytesIn } from './free-space.js';

const TIMEOUT_MS = 10_000;
/** Bytes from which on several jobs save more time than it takes to write the dump once more. */
const WORTH_IT = 8 * 1024 * 1024;
/** A tmpfs counts against a container's memory, whatever `df` says is free: bytes that nobody misses. */
const MOST_IN_MEMORY = 64 * 1024 * 1024;
/** Of what is free, only this part: the databases may lie there as well. */
const SHARE = 0.25;

/** Where a dump can be put for pg_restore, which reads it out of order when it has several jobs. */
export interface Spool {
  /** Where the tools run, and only for them: one restore at a time. */
  readonly folder: string;
  readonly jobs: number;
}

/**
 * A file for a dump of `bytes`, empty, which nobody else may read; undefined where one is not worth it or not to be had:
 * a restore from the stream takes longer, and needs nothing.
 */
export const openSpool = async (
  executor: Executor,
  { folder, jobs }: Spool,
  bytes: number,
): Promise<string | undefined> => {
  if (jobs < 2 || bytes < WORTH_IT) return undefined;
  // Always of this name: what a killed agent has left is replaced.
  const file = join(folder, 'coldspare-restore.dump');
  try {
    if (bytes > MOST_IN_MEMORY && (await isInMemory(executor, folder))) return undefined;
    if (bytes > (await freeBytesIn(executor, folder)) * SHARE) return undefined;
    await executor.run(['install', '-m', '600', '/dev/null', file], { timeout: TIMEOUT_MS });
    return file;
  } catch {
    return undefined;
  }
};

/** No where `stat` does not tell. */
const isInMemory = async (executor: Executor, folder: string): Promise<boolean> => {
  const said = executor.run(['stat', '-f', '-c', '%T', folder], { timeout: TIMEOUT_MS });
  return /^(tmpfs|ramfs)\s*$/.test(await said.catch(() => ''));
};

/** Fills `file` with `content`, runs `use`, and removes the file in any case. */
export const withSpooled = async <T>(
  executor: Executor,
  file: string,
  content: Readable,
  options: Pick<CommandOptions, 'timeout' | 'signal'>,
  use: () => Promise<T>,
): Promise<T> => {
  try {
    await executor.run(['dd', `of=${file}`, 'bs=1M'], { ...options, input: content }).catch(blame);
    return await use();
  } finally {
    await executor.run(['rm', '-f', file], { timeout: TIMEOUT_MS }).catch(() => {});
  }
};

/** A disk that does not take it says nothing about the dump. */
const blame = (error: unknown): never => {
  if (!isError(error, 'command-failed')) throw error;
  throw new ColdspareError(
    'database-failed',
    `a dump could not be spooled: ${error.message}`,
    error.remedy,
    { cause: error },
  );
};
