import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { toColdspareError } from '../../../src/domain/errors.js';
import { REQUESTS } from '../control.js';
import type { DatabaseService } from './database-service.js';
import { createTurns } from './turns.js';

/**
 * Opens `service` and answers the driver's requests on a unix socket, one at a time. The socket also keeps a second
 * server away from the same files. Resolves once the service is open.
 */
export const serveControl = async (service: DatabaseService, socket: string): Promise<void> => {
  if (await isListening(socket)) throw new Error(`another server answers at ${socket}`);
  await rm(socket, { force: true });
  const takeTurns = createTurns();
  const opened = takeTurns(() => service.open());

  const answer = async (request: IncomingMessage): Promise<unknown> => {
    const name = REQUESTS.find((known) => request.url === `/${known}`);
    if (name === undefined) throw new Error(`no such request: ${request.url}`);
    // Not in turn: a server that restores for a long time must not look dead.
    if (name === 'exists') return opened.then(() => service.exists());
    // The only caller is our own driver, which is compiled against the same types.
    const method = service[name] as (...args: unknown[]) => unknown;
    const args = JSON.parse(await text(request));
    return takeTurns(async () => method.apply(service, args));
  };

  const server = createServer((request, response) => {
    answer(request)
      .then((result) => ({ status: 200, result }))
      .catch((error: unknown) => {
        const { code, message, remedy, value } = toColdspareError(error);
        return { status: 500, result: { code, message, remedy, value } };
      })
      .then(({ status, result }) => {
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(result));
      });
  });
  const listening = once(server.listen(socket), 'listening').then(() => chmod(socket, 0o600));
  await Promise.all([opened, listening]);
};

const isListening = (socket: string): Promise<boolean> =>
  new Promise((resolve) => {
    const connection = connect(socket);
    connection.once('connect', () => resolve(true)).once('error', () => resolve(false));
    connection.once('connect', () => connection.destroy());
  });
