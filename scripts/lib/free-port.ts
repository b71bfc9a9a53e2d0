import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below the range for outgoing connections and for listening on port 0, so that no other program takes a port between
 * this check and its use.
 */
const FIRST = 10_000;
const END = 32_000;

/**
 * Different ports that nothing listens on now. They stay this process's until it ends: a stopped server leaves its
 * port free for a while, and another process that was given the port in between would keep the server from starting.
 */
export const freePorts = async (count: number): Promise<number[]> => {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = randomInt(FIRST, END);
    if ((await isFree(port)) && (await reserve(port))) ports.add(port);
  }
  return [...ports];
};

const isFree = async (port: number): Promise<boolean> => {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  await once(server.close(), 'close');
  return true;
};

/**
 * Binds the UDP port of the same number. TCP servers do not notice it, every other caller of `freePorts` on this
 * machine does, and it ends with this process. False when another one has it.
 */
const reserve = async (port: number): Promise<boolean> => {
  const socket = createSocket('udp4').unref();
  socket.bind({ port, address: '127.0.0.1', exclusive: true });
  try {
    await once(socket, 'listening');
    return true;
  } catch {
    return false;
  }
};
