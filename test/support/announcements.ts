import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import type { Announcement } from '../../src/ports/notifier.js';

export interface Announcements {
  /** For NOTIFY_URLS. */
  url: string;
  /** What was announced so far, in order. */
  received: (Announcement & { node: string })[];
  close(): Promise<void>;
}

/** Starts a server that receives announcements. */
export const receiveAnnouncements = async (): Promise<Announcements> => {
  const received: Announcements['received'] = [];
  const server = createServer(async (request, response) => {
    received.push((await json(request)) as Announcements['received'][number]);
    response.writeHead(204).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    received,
    close: async () => {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
};
