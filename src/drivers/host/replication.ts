import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { ColdspareError } from '../../domain/errors.js';
import type { DatabaseAddress } from '../postgres/server.js';
import { socketPath } from '../postgres/socket-path.js';

/** Milliseconds. PostgreSQL is on this machine, or near it. */
const CONNECT_TIMEOUT = 5_000;

type Address = Pick<DatabaseAddress, 'host' | 'port'>;

/**
 * Connects to PostgreSQL's port, or to its Unix socket when the host is a folder.
 * @throws ColdspareError `database-unreachable`, or the signal's reason
 */
export const connectReplica = async (address: Address, signal: AbortSignal): Promise<Socket> => {
  signal.throwIfAborted();
  const { host, port } = address;
  const socket = host.startsWith('/')
    ? connect(socketPath(host, port))
    : connect({ host, port, noDelay: true });
  const abort = () => socket.destroy(signal.reason);
  signal.addEventListener('abort', abort);
  socket.setTimeout(CONNECT_TIMEOUT, () => socket.destroy(new Error('it does not answer')));
  try {
    await once(socket, 'connect');
    // After an error comes the close.
    return socket.setTimeout(0).on('error', () => {});
  } catch (cause) {
    signal.throwIfAborted();
    throw unreachable(address, cause);
  } finally {
    signal.removeEventListener('abort', abort);
  }
};

const unreachable = ({ host, port }: Address, cause: unknown): ColdspareError =>
  new ColdspareError(
    'database-unreachable',
    `PostgreSQL at ${host}:${port} cannot be reached: ${cause instanceof Error ? cause.message : cause}`,
    'start the database; check DB_HOST and DB_PORT',
    { cause, value: `${host}:${port}` },
  );
