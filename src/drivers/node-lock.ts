import { createHash } from 'node:crypto';
import { closeSync, constants, openSync } from 'node:fs';
import { mkdir, readdir, readFile, readlink, realpath, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { ColdspareError, isError } from '../domain/errors.js';

/** Milliseconds. */
const END_TIMEOUT = 5_000;
const END_POLL = 50;
/** Bytes of the name of a socket. */
const LONGEST_NAME = 103;

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
 * Makes sure that only one agent uses a state directory (H18). The lock is a listening socket: it stops answering with
 * its process, however that ends, so a lock is never stale. It lies in the directory, where nobody else may write.
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
  const old = platform === 'linux' ? await listenAbstract(directory, file) : undefined;
  const server =
    old === 'taken'
      ? undefined
      : await listenOnFile(directory).catch((error: unknown) => {
          // A file system that is full, or has no sockets. The name is better than no agent.
          if (old === undefined) throw error;
          return old;
        });
  if (server === undefined) {
    if (old !== 'taken') old?.close();
    throw lockedBy(directory, await readHolder(file));
  }
  const holder = { pid: process.pid, since: new Date().toISOString(), ...info };
  // It only serves the text of a refusal, and must not keep an agent from starting on a full disk.
  await writeFile(file, JSON.stringify(holder), { mode: 0o600 }).catch(() => {});
  return {
    release: async () => {
      if (!server.listening) return;
      await rm(file, { force: true });
      for (const each of [server, old])
        if (typeof each === 'object') await new Promise((resolve) => each.close(resolve));
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

/**
 * The lock of an agent of before is a name without a file, which every user of the machine can take (H57). So it counts
 * only if the process that `agent.lock` names has it. It is taken as well, to keep such an agent out.
 */
const listenAbstract = async (
  directory: string,
  file: string,
): Promise<Server | 'taken' | undefined> => {
  const name = `coldspare-${createHash('sha256').update(directory).digest('hex')}`;
  const server = await listen(`\0${name}`).catch(() => undefined);
  if (server !== undefined) return server;
  return (await isHeldBy(name, (await readHolder(file))?.pid)) ? 'taken' : undefined;
};

/** Whether the process has the abstract socket. In doubt it has not: the socket in the directory decides. */
const isHeldBy = async (name: string, pid: number | undefined): Promise<boolean> => {
  if (pid === undefined) return false;
  try {
    const sockets = (await readFile('/proc/net/unix', 'utf8')).split('\n');
    const inode = sockets.find((line) => line.includes(` @${name}`))?.split(/\s+/)[6];
    const descriptors = `/proc/${pid}/fd`;
    for (const descriptor of await readdir(descriptors)) {
      const target = await readlink(join(descriptors, descriptor)).catch(() => '');
      if (target === `socket:[${inode}]`) return true;
    }
    return false;
  } catch {
    return false;
  }
};

/** A killed agent leaves the file behind, and it then refuses connections. */
const listenOnFile = async (directory: string): Promise<Server | undefined> => {
  const whole = join(directory, 'agent.sock');
  // The kernel takes 107 bytes at most, so a longer path goes by way of the open directory.
  const isLong = Buffer.byteLength(whole) > LONGEST_NAME;
  const fd = isLong ? openSync(directory, constants.O_RDONLY) : undefined;
  const path = fd === undefined ? whole : `/proc/self/fd/${fd}/agent.sock`;
  let server = await listen(path);
  if (server === undefined && !(await answers(path))) {
    await rm(whole, { force: true });
    server = await listen(path);
  }
  const close = () => fd !== undefined && closeSync(fd);
  if (server === undefined) close();
  // The file is removed by its path when the server closes.
  else server.once('close', close);
  return server;
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
