import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export interface CarelessBalancer {
  url: string;
  close(): Promise<void>;
}

/**
 * A load balancer without coldspare: it does not ask who is primary, sends any request to the next server when one fails
 * or is too slow, and always answers 200 on its own health page.
 */
export const startCarelessBalancer = async (
  servers: readonly string[],
  timeout: number,
): Promise<CarelessBalancer> => {
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    if (request.url === '/health') return response.writeHead(200).end('ok');
    const body = request.method === 'GET' ? null : await buffer(request);
    for (const url of servers) {
      const signal = AbortSignal.timeout(timeout);
      const { method = 'GET' } = request;
      const tried = await fetch(url, { method, body, signal }).catch(() => undefined);
      if (tried?.ok) return response.writeHead(tried.status).end(await tried.text());
    }
    return response.writeHead(504).end();
  };
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: async () => {
      const closed = once(server.close(), 'close');
      server.closeAllConnections();
      await closed;
    },
  };
};
