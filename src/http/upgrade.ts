import type { IncomingMessage, Server } from 'node:http';
import { type Server as HttpsServer, Server as SecureServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { REPLICATION_UPGRADE } from '../domain/protocol.js';
import { asText } from './broken-request.js';
import { problem } from './problem.js';
import type { Upgrade } from './route.js';

const { path, protocol } = REPLICATION_UPGRADE;

/** Answers the request as any other, with what it takes to leave HTTP. */
type Answer = (request: IncomingMessage, upgrade: Upgrade) => Promise<Response>;

/**
 * Lets requests leave HTTP. Node hands over each request that names any other protocol. The rest of them is given back:
 * some clients offer HTTP/2 with every request.
 */
export const answerUpgrades = (
  server: Server | HttpsServer,
  closing: AbortSignal,
  answer: Answer,
): void => {
  const sockets = new Set<Socket>();
  closing.addEventListener('abort', () => {
    for (const socket of sockets) socket.destroy();
  });
  server.on('upgrade', async (request: IncomingMessage, socket: Socket, head: Buffer) => {
    if (!isOurs(request)) return answerWithoutUpgrade(server, request, socket, head);
    // After an error comes the close.
    socket.on('error', () => {});
    const gone = new AbortController();
    const leave = () => gone.abort(new Error('the other side has closed the connection'));
    socket.once('end', leave).once('close', leave);
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // Otherwise an end would not be noticed before the answer.
    socket.read(0);
    if (closing.aborted) socket.destroy();

    let join: ((connection: Duplex) => void) | undefined;
    const response = await answer(request, {
      signal: gone.signal,
      accept: (use) => {
        join = use;
        return new Response();
      },
    }).catch(problem);
    if (join === undefined)
      return void socket.end(await asText(response), () => void socket.destroy());
    socket.write(switching(response));
    if (head.length > 0) socket.unshift(head);
    // The tunnel notices by itself when nothing comes any more.
    join(socket.setTimeout(0).setNoDelay(true));
  });
};

const isOurs = ({ method, url, headers }: IncomingMessage): boolean =>
  method === 'GET' && url === path && headers.upgrade?.toLowerCase() === protocol;

const switching = ({ headers }: Response): string => {
  const start = 'HTTP/1.1 101 Switching Protocols';
  const fields = [...headers, ['connection', 'upgrade'], ['upgrade', protocol]];
  return `${[start, ...fields.map(([name, value]) => `${name}: ${value}`)].join('\r\n')}\r\n\r\n`;
};

/** As Node answers when nobody listens for upgrades: the request is one for HTTP. */
const answerWithoutUpgrade = (
  server: Server | HttpsServer,
  { method, url, httpVersion, rawHeaders }: IncomingMessage,
  socket: Socket,
  head: Buffer,
): void => {
  // Names and values alternate.
  const fields = rawHeaders.flatMap((name, at) =>
    at % 2 === 0 && name.toLowerCase() !== 'upgrade' ? [`${name}: ${rawHeaders[at + 1]}`] : [],
  );
  const lines = [`${method} ${url} HTTP/${httpVersion}`, ...fields, '', ''].join('\r\n');
  socket.unshift(Buffer.concat([Buffer.from(lines, 'latin1'), head]));
  // The only listener that Node has left, and adds again.
  socket.removeAllListeners('timeout');
  server.emit(server instanceof SecureServer ? 'secureConnection' : 'connection', socket);
};
