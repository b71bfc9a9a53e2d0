import {
  chown,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ColdspareError } from '../../../domain/errors.js';
import type { Executor, User } from '../../run-command.js';
import { readFreeBytes } from '../free-space.js';
import type { ClusterFiles, FileChange } from './files.js';

/** Milliseconds. */
const SIZE_TIMEOUT = 60_000;

/** The files of a cluster on this machine. Its data directory is asked of `find` at each use. */
export const createLocalFiles = (
  executor: Executor,
  find: () => Promise<{ directory: string }>,
): ClusterFiles => {
  const owner = async () => ownerOf((await find()).directory);
  return {
    list: async (directory) => {
      await owner();
      return readdir(directory).catch(unlessAbsent([]));
    },
    read: (paths) =>
      Promise.all(paths.map((path) => readFile(path).catch(unlessAbsent(undefined)))),
    change: async (changes) => {
      const user = await owner();
      for (const change of changes) await apply(change, user);
    },
    run: async (argv, options) => executor.run(argv, { ...options, as: await owner() }),
    warm: async () => {},
    size: async (directory) => {
      const output = await executor.run(['du', '-sk', directory], { timeout: SIZE_TIMEOUT });
      return Number.parseInt(output, 10) * 1024;
    },
    room: (directory) => readFreeBytes(executor.run, directory),
    assertStopped,
  };
};

const unlessAbsent =
  <T>(otherwise: T) =>
  (error: NodeJS.ErrnoException): T => {
    // What belongs to others cannot be changed either, and that says so.
    if (error.code === 'ENOENT' || error.code === 'EACCES') return otherwise;
    throw error;
  };

const apply = async (change: FileChange, user: User | undefined): Promise<void> => {
  const { path } = change;
  switch (change.do) {
    case 'make':
      await mkdir(path, { mode: 0o700, recursive: true });
      return own(path, user);
    case 'move':
      return rename(path, change.to);
    case 'remove':
      return rm(path, { recursive: true, force: true });
    case 'sync':
      return sync(path);
    case 'write': {
      const part = `${path}.coldspare`;
      await mkdir(dirname(path), { recursive: true });
      await writeFile(part, change.content, { mode: 0o600, flush: true });
      await own(part, user);
      return rename(part, path);
    }
  }
};

const sync = async (directory: string): Promise<void> => {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/** Gives a new file to who the others belong to. */
const own = async (path: string, user: User | undefined): Promise<void> => {
  if (user !== undefined) await chown(path, user.uid, user.gid);
};

/**
 * Who runs the server's programs: the owner of its files. Undefined when that is this process.
 * @throws ColdspareError `database-failed` when this process may not become that user
 */
const ownerOf = async (directory: string): Promise<User | undefined> => {
  const { uid, gid } = await stat(directory);
  const own = process.getuid?.();
  if (uid === own) return undefined;
  if (own === 0) return { uid, gid };
  throw new ColdspareError(
    'database-failed',
    `the files of ${directory} belong to user ${uid}, and the agent runs as user ${own}, so it cannot copy the primary's database there`,
    'REPLICATION=stream with STACK=host needs an agent that runs as root or as the owner of the data directory (run_as in the inventory)',
    { value: uid },
  );
};

const assertStopped = async (directory: string): Promise<void> => {
  const text = await readFile(join(directory, 'postmaster.pid'), 'utf8').catch(() => '');
  const pid = Number.parseInt(text, 10);
  // After a crash the file is still there, and another process may have its number by now.
  const workingDirectory = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
  if (workingDirectory !== (await realpath(directory))) return;
  throw new ColdspareError(
    'database-failed',
    `the database of this server still runs in ${directory} (process ${pid}), so its files are left alone`,
    'see whether DB_STOP_COMMAND stops it; it is tried again by itself',
    { value: pid },
  );
};
