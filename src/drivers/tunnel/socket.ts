import { once } from 'node:events';
import { chmod, mkdir, rm, stat } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { ColdspareError } from '../../domain/errors.js';
import { SOCKET_PORT } from '../../domain/replication.js';
import { socketPath } from '../postgres/socket-path.js';

/** Bytes of a path that the kernel takes. */
const LONGEST_PATH = 107;

export interface ReplicationSocket {
  /** Accepts nothing new, and ends what is open. */
  close(): Promise<void>;
}

export interface SocketPlace {
  /** Made for this user alone unless it exists. Who may connect is who may enter it. */
  directory: string;
  /** A folder in there for the socket, which containers get: their users are others than those of this machine. */
  shared?: string | undefined;
}

/** Makes the folders, and resolves to that of the socket. @throws ColdspareError `invalid-request` */
export const makeSocketFolder = async ({ directory, shared }: SocketPlace): Promise<string> => {
  const folder = shared === undefined ? directory : join(directory, shared);
  const path = socketPath(folder, SOCKET_PORT);
  if (Buffer.byteLength(path) > LONGEST_PATH) throw tooLong(path);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const { mode } = await stat(directory);
  if ((mode & 0o007) !== 0) throw openToAll(directory);
  if (folder !== directory) {
    await mkdir(folder, { recursive: true });
    await chmod(folder, 0o755);
  }
  return folder;
};

/** A Unix socket. @throws ColdspareError `invalid-request`, `busy` when another process listens there */
export const openSocket = async (
  place: SocketPlace,
  onConnection: (socket: Socket) => void,
): Promise<ReplicationSocket> => {
  const path = socketPath(await makeSocketFolder(place), SOCKET_PORT);

  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    // After an error comes the close.
    socket.on('error', () => {}).once('close', () => sockets.delete(socket));
    onConnection(socket);
  });
  // A killed agent leaves the file behind, and nobody answers there.
  if (await answers(path)) throw taken(path);
  await rm(path, { force: true });
  await listen(server, path);
  await chmod(path, 0o666);
  return {
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
};

const listen = async (server: Server, path: string): Promise<void> => {
  try {
    await once(server.listen(path), 'listening');
  } catch (cause) {
    throw unusable(`cannot listen on ${path}: ${(cause as Error).message}`, `ls -ld ${path}`, {
      cause,
      value: path,
    });
  }
  // A later one, such as of `accept`, must not end the agent.
  server.on('error', () => {});
};

const answers = async (path: string): Promise<boolean> => {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
};

const taken = (path: string): ColdspareError =>
  new ColdspareError(
    'busy',
    `another process listens on ${path}`,
    `see which one (ss -lxp "src ${path}"), or set REPLICATION_SOCKET_DIR`,
    { value: path },
  );

const tooLong = (path: string): ColdspareError =>
  unusable(
    `the path of the socket is longer than ${LONGEST_PATH} bytes: ${path}`,
    'set REPLICATION_SOCKET_DIR to a shorter one, such as /var/lib/coldspare-replication',
    { value: path },
  );

const openToAll = (directory: string): ColdspareError =>
  unusable(
    `everybody on this machine may enter ${directory}, and would reach the database of the other node`,
    `chmod o-rwx ${directory}`,
    { value: directory },
  );

const unusable = (
  message: string,
  remedy: string,
  extras: { cause?: unknown; value: string },
): ColdspareError =>
  new ColdspareError('invalid-request', `REPLICATION_SOCKET_DIR: ${message}`, remedy, extras);
