import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { ColdspareError, isError } from '../../domain/errors.js';
import type { CommandOptions, Executor } from '../run-command.js';
import { readFreeBytes } from './free-space.js';
import type { Spool } from './server.js';

const TIMEOUT_MS = 10_000;
/** Bytes. For a smaller dump, several jobs save less time than writing the file costs. */
const SMALLEST = 8 * 1024 * 1024;
/** Bytes. A tmpfs counts against a container's memory, however much `df` calls free. */
const LARGEST_IN_MEMORY = 64 * 1024 * 1024;
/** The part of the free space that the file may take: the databases may be on the same disk. */
const SHARE = 0.25;

/** Fixed names, so that the file of an agent that was killed gets replaced. A drill may still end when a restore begins. */
const FILES = { incoming: 'coldspare-restore.dump', drill: 'coldspare-drill.dump' };
export type SpoolFile = keyof typeof FILES;

/**
 * An empty file for a dump of `bytes` that nobody else may read. Undefined when it is not worth it or not possible:
 * restoring from the stream is slower, but needs nothing.
 */
export const openSpool = async (
  executor: Executor,
  { folder, jobs }: Spool,
  bytes: number,
  name: SpoolFile = 'incoming',
  isNeeded = false,
): Promise<string | undefined> => {
  if (!isNeeded && (jobs < 2 || bytes < SMALLEST)) return undefined;
  const file = join(folder, FILES[name]);
  try {
    if (bytes > LARGEST_IN_MEMORY && (await isInMemory(executor, folder))) return undefined;
    if (bytes > (await readFreeBytes(executor.run, folder)) * SHARE) return undefined;
    await executor.run(['install', '-m', '600', '/dev/null', file], { timeout: TIMEOUT_MS });
    return file;
  } catch {
    return undefined;
  }
};

/** False where `stat` cannot tell. */
const isInMemory = async (executor: Executor, folder: string): Promise<boolean> => {
  const argv = ['stat', '-f', '-c', '%T', folder];
  const type = await executor.run(argv, { timeout: TIMEOUT_MS }).catch(() => '');
  return /^(tmpfs|ramfs)\s*$/.test(type);
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
    await executor
      .run(['dd', `of=${file}`, 'bs=1M'], { ...options, input: content })
      .catch(throwServerError);
    return await use();
  } finally {
    await executor.run(['rm', '-f', file, `${file}.list`], { timeout: TIMEOUT_MS }).catch(() => {});
  }
};

/** Writes a short file beside the dump. Resolves to its name. */
export const writeSpooled = async (
  executor: Executor,
  file: string,
  text: string,
): Promise<string> => {
  await executor
    .run(['dd', `of=${file}`], { timeout: TIMEOUT_MS, input: text })
    .catch(throwServerError);
  return file;
};

/** When the disk refuses the file, the dump itself is not at fault. */
const throwServerError = (error: unknown): never => {
  if (!isError(error, 'command-failed')) throw error;
  throw new ColdspareError(
    'database-failed',
    `the dump could not be written to a file for the restore: ${error.message}`,
    error.remedy,
    { cause: error },
  );
};
