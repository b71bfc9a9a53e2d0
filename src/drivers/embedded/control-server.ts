import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { toColdspareError } from '../../domain/errors.js';
import type { Answer, Body, RequestName } from './control.js';
import type { DatabaseService } from './database-service.js';
import { createTurns, type TakeTurns } from './turns.js';

type Handlers = {
  [Name in RequestName]: (body: Body<Name>) => Promise<Answer<Name>>;
};

/**
 * Opens `service` and answers the driver's requests on a unix socket. The socket is also what keeps a second
 * server away from the same files. Resolves once the service is open.
 */
export const serveControl = async (service: DatabaseService, socket: string): Promise<void> => {
  if (await isListening(socket)) throw new Error(`another server answers at ${socket}`);
  await rm(socket, { force: true });
  const takeTurns = createTurns();
  const opened = takeTurns(() => service.open());
  const handlers = handlersOf(service, opened, takeTurns);
  const server = createServer((request, response) => {
    answer(handlers, request)
      .then((result) => ({ status: 200, result }))
      .catch((error: unknown) => {
        const { code, message, remedy, value } = toColdspareError(error);
        return { status: 500, result: { code, message, remedy, value } };
      })
      .then(({ status, result }) => {
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(result));
      })
      .catch(() => response.destroy());
  });
  await Promise.all([opened, listen(server, socket)]);
};

const listen = async (server: Server, socket: string): Promise<void> => {
  server.listen(socket);
  await once(server, 'listening');
  await chmod(socket, 0o600);
};

const isListening = (socket: string): Promise<boolean> =>
  new Promise((resolve) => {
    const connection = connect(socket);
    connection.once('connect', () => resolve(true)).once('error', () => resolve(false));
    connection.once('connect', () => connection.destroy());
  });

const answer = async (handlers: Handlers, request: IncomingMessage): Promise<unknown> => {
  const name = request.url?.slice(1) ?? '';
  const handler = Object.hasOwn(handlers, name) ? handlers[name as RequestName] : undefined;
  if (handler === undefined) throw new Error(`no such request: ${name}`);
  // The one caller is our own driver, which is compiled against the same types.
  return (handler as (body: unknown) => Promise<unknown>)(JSON.parse(await text(request)));
};

const handlersOf = (
  service: DatabaseService,
  opened: Promise<void>,
  takeTurns: TakeTurns,
): Handlers => ({
  // Not in turn: a long restore must not look like a dead server.
  exists: async () => {
    await opened;
    return service.exists();
  },
  live: () => takeTurns(() => service.live()),
  mark: (marker) => takeTurns(() => service.mark(marker)),
  inventory: ({ of }) => takeTurns(() => service.inventory(of)),
  dump: () => takeTurns(() => service.dump()),
  restore: ({ beside, surroundings }) => takeTurns(() => service.restore(beside, surroundings)),
  answer: ({ sql }) => takeTurns(() => service.answer(sql)),
  discard: ({ beside }) => takeTurns(() => service.discard(beside)),
  swap: ({ marker, keepAs }) => takeTurns(() => service.swap(marker, keepAs)),
  setAside: ({ keepAs }) => takeTurns(() => service.setAside(keepAs)),
  others: () => takeTurns(async () => service.others()),
  drop: ({ name }) => takeTurns(() => service.drop(name)),
  freeze: () => takeTurns(() => service.setFrozen(true)),
  thaw: () => takeTurns(() => service.setFrozen(false)),
  writes: () => takeTurns(() => service.writes()),
});
