import { createHash } from 'node:crypto';
import { mkdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { ColdspareError, isError } from '../domain/errors.js';

/** Milliseconds. */
const END_TIMEOUT = 5_000;
const END_POLL = 50;

export interface NodeLock {
  /** Safe to repeat. */
  release(): Promise<void>;
}

/** Who holds the lock, for the text of the refusal. The file itself locks nothing. */
const holderSchema = z.object({
  pid: z.int(),
  since: z.string(),
  node: z.string(),
  why: z.string(),
});

/**
 * Makes sure that only one agent uses a state directory (H18). The lock is a listening socket: the kernel removes it
 * with its process, however that ends, so a lock is never stale.
 * @throws ColdspareError `busy` naming who holds it
 */
export const acquireNodeLock = async (
  stateDirectory: string,
  info: { node: string; why: string },
  platform: NodeJS.Platform = process.platform,
): Promise<NodeLock> => {
  await mkdir(stateDirectory, { recursive: true, mode: 0o700 });
  const directory = await realpath(stateDirectory);
  const file = join(directory, 'agent.lock');
  const server =
    platform === 'linux' ? await listen(abstractName(directory)) : await listenOnFile(directory);
  if (server === undefined) throw lockedBy(directory, await readHolder(file));
  const holder = { pid: process.pid, since: new Date().toISOString(), ...info };
  await writeFile(file, JSON.stringify(holder), { mode: 0o600 });
  return {
    release: async () => {
      if (!server.listening) return;
      await rm(file, { force: true });
      await new Promise((resolve) => server.close(resolve));
    },
  };
};

/**
 * Ends the process that holds the lock, if there is one, and waits until it has ended.
 * @throws ColdspareError `busy` when it has not after 5 s
 */
export const endLockHolder = async (
  stateDirectory: string,
  info: { node: string; why: string },
): Promise<void> => {
  if ((await readHolder(join(stateDirectory, 'agent.lock'))) === undefined) return;
  const deadline = performance.now() + END_TIMEOUT;
  for (;;) {
    try {
      const lock = await acquireNodeLock(stateDirectory, info);
      return await lock.release();
    } catch (error) {
      if (!isError(error, 'busy') || performance.now() > deadline) throw error;
      if (typeof error.value === 'number') endProcess(error.value);
      await sleep(END_POLL);
    }
  }
};

const endProcess = (pid: number): void => {
  try {
    process.kill(pid, 'SIGTERM');
  } catch {
    // It has ended meanwhile.
  }
};

/** A name without a file, so that nothing has to be cleaned up. It holds a digest of the path: 107 bytes are the limit. */
const abstractName = (directory: string): string =>
  `\0coldspare-${createHash('sha256').update(directory).digest('hex')}`;

/** Not on Linux: a socket file. A killed agent leaves it behind, and it then refuses connections. */
const listenOnFile = async (directory: string): Promise<Server | undefined> => {
  const path = join(directory, 'agent.sock');
  const server = await listen(path);
  if (server !== undefined || (await answers(path))) return server;
  await rm(path, { force: true });
  return listen(path);
};

/** The listening server; undefined when the name is taken. */
const listen = (name: string): Promise<Server | undefined> =>
  new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.unref();
    // Not `once`: a later error, such as one of `accept`, must not end the agent.
    server.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    );
    server.listen(name, () => resolve(server));
  });

const answers = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => socket.destroy());
  });

const readHolder = async (file: string): Promise<z.infer<typeof holderSchema> | undefined> => {
  try {
    return holderSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return undefined;
  }
};

const lockedBy = (
  directory: string,
  holder: z.infer<typeof holderSchema> | undefined,
): ColdspareError =>
  new ColdspareError(
    'busy',
    holder === undefined
      ? `another agent uses ${directory}`
      : `another agent uses ${directory}: ${holder.node}, pid ${holder.pid}, since ${holder.since} (${holder.why})`,
    holder === undefined
      ? 'stop it first, or use another STATE_DIR'
      : `stop it first ("kill ${holder.pid}"), or use another STATE_DIR`,
    { value: holder?.pid },
  );
