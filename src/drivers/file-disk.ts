import { constants } from 'node:fs';
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  stat,
  statfs,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { dirname } from 'node:path';
import { Writable } from 'node:stream';
import { ColdspareError } from '../domain/errors.js';
import type { Disk } from '../ports/disk.js';

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/** Follows no link, and does not wait for the other end of a pipe. */
const READ_REGULAR = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** The file system of this machine. */
export const createFileDisk = (): Disk => {
  const write = oneAtATime(replaceFile);
  return {
    read: (path) => orAbsent(readFile(path, 'utf8')),
    write: (path, text) => explained(write(path, text)),
    touch: async (path) => {
      await makeDirectory(dirname(path));
      const now = new Date();
      const isThere = await orAbsent(utimes(path, now, now).then(() => true));
      if (isThere !== true) await explained(writeFile(path, '', { mode: FILE_MODE }));
    },
    changedAt: async (path) => (await orAbsent(stat(path)))?.mtimeMs,
    list: async (directory) => (await orAbsent(readdir(directory))) ?? [],
    size: async (path) => (await orAbsent(stat(path)))?.size,
    remove: async (path) => {
      if ((await orAbsent(unlink(path).then(() => true))) === true) await sync(dirname(path));
    },
    rename: (from, to) => explained(moveFile(from, to)),
    writer: (path, options) => explained(openWriter(path, options)),
    reader: async (path, start = 0) => (await openRegular(path)).createReadStream({ start }),
    free: async (directory) => {
      await makeDirectory(directory);
      const { bavail, bsize } = await statfs(directory);
      return bavail * bsize;
    },
    capacity: async (directory) => {
      const { blocks, bsize } = await statfs(directory);
      return blocks * bsize;
    },
  };
};

/** The temp file has a fixed name, so that a crash leaves at most one, and the next write replaces it. */
const replaceFile = async (path: string, text: string): Promise<void> => {
  const temp = `${path}.tmp`;
  const file = await inDirectory(temp, () => open(temp, 'w', FILE_MODE));
  try {
    await file.writeFile(text);
    await file.sync();
  } catch (error) {
    // On a full disk, what came through would take the space that the next write needs.
    await unlink(temp).catch(() => {});
    throw error;
  } finally {
    await file.close();
  }
  await moveFile(temp, path);
};

const moveFile = async (from: string, to: string): Promise<void> => {
  await rename(from, to);
  await sync(dirname(to));
  if (dirname(from) !== dirname(to)) await sync(dirname(from));
};

const openWriter = async (path: string, { append } = { append: false }): Promise<Writable> => {
  const file = await inDirectory(path, () => open(path, append ? 'a' : 'wx', FILE_MODE));
  const run = (work: Promise<unknown>, done: (error?: Error | null) => void) =>
    explained(work).then(() => done(), done);
  return new Writable({
    // Not `write`, which may write only a part when the disk is nearly full.
    write: (chunk: Buffer, _encoding, done) => run(file.appendFile(chunk), done),
    final: (done) => run(file.sync(), done),
    destroy: (error, done) =>
      file.close().then(
        () => done(error),
        (failure: Error) => done(error ?? failure),
      ),
  });
};

const openRegular = async (path: string): Promise<FileHandle> => {
  const file = await open(path, READ_REGULAR);
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new ColdspareError('invalid-request', `${path} is not a regular file`, 'name a file', {
    value: path,
  });
};

/** Opens a file of a directory that is nearly always there. */
const inDirectory = async <T>(path: string, openFile: () => Promise<T>): Promise<T> => {
  const opened = await orAbsent(openFile());
  if (opened !== undefined) return opened;
  await makeDirectory(dirname(path));
  return openFile();
};

/** Creates a directory and its parents, such that a power failure does not remove them again. */
const makeDirectory = async (path: string): Promise<void> => {
  const first = await mkdir(path, { recursive: true, mode: DIRECTORY_MODE });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made))
    await sync(dirname(made));
};

/** After a rename or a removal, the directory itself has to reach the disk. */
const sync = async (directory: string): Promise<void> => {
  const handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/** Runs one action at a time for each path: two writers would mix their texts in the temp file. */
const oneAtATime = (action: (path: string, text: string) => Promise<void>): typeof action => {
  const last = new Map<string, Promise<void>>();
  return (path, text) => {
    const mine = (last.get(path) ?? Promise.resolve()).then(() => action(path, text));
    const settled = mine.catch(() => {});
    last.set(path, settled);
    void settled.then(() => {
      if (last.get(path) === settled) last.delete(path);
    });
    return mine;
  };
};

const orAbsent = <T>(work: Promise<T>): Promise<T | undefined> =>
  work.catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });

const explained = <T>(work: Promise<T>): Promise<T> =>
  work.catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOSPC' && cause.code !== 'EDQUOT') throw cause;
    throw new ColdspareError(
      'disk-full',
      `the disk is full${cause.path === undefined ? '' : ` at ${cause.path}`} (${cause.code})`,
      'free space on the file system of STATE_DIR and BACKUP_DIR, or lower BACKUP_KEEP',
      { cause },
    );
  });
