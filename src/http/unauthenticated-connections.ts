import type { Socket } from 'node:net';

/** Connections over which no right key has come yet. */
const MOST = 512;

/**
 * Bounds the connections of those who have shown no key. When there are too many, the oldest goes and not the one
 * that has just come: however many somebody holds open, the peer and the operator get in.
 */
export const createStrangers = () => {
  const sockets = new Map<string, Socket>();
  return {
    meet: (socket: Socket): void => {
      const name = nameOf(socket);
      sockets.set(name, socket);
      socket.once('close', () => sockets.delete(name));
      const [oldest] = sockets.values();
      if (oldest !== undefined && sockets.size > MOST) oldest.destroy();
    },
    /** What it does may take as long as it needs from now on. */
    isKnown: (socket: Socket): void => {
      sockets.delete(nameOf(socket));
    },
  };
};

/** TLS has a socket of its own above the one that was met. */
const nameOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;
