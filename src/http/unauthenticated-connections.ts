import type { Socket } from 'node:net';

/** Connections over which no right key has come yet. */
const LIMIT = 512;

/**
 * Limits the connections that have shown no right key. When there are too many, the oldest is closed and the new one is
 * served: however many somebody holds open, the peer and the operator can connect.
 */
export const limitUnauthenticated = () => {
  const sockets = new Map<string, Socket>();
  const seen = new WeakSet<Socket>();
  return {
    add: (socket: Socket): void => {
      // It comes again after a request that offered to leave HTTP (upgrade.ts).
      if (seen.has(socket)) return;
      seen.add(socket);
      const name = nameOf(socket);
      sockets.set(name, socket);
      socket.once('close', () => sockets.delete(name));
      const [oldest] = sockets.values();
      if (oldest !== undefined && sockets.size > LIMIT) oldest.destroy();
    },
    /** An authenticated connection may stay open as long as it needs. */
    remove: (socket: Socket): void => {
      sockets.delete(nameOf(socket));
    },
  };
};

/** Over TLS, `add` gets the TCP socket and `remove` the TLS socket above it. The address is the same. */
const nameOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
