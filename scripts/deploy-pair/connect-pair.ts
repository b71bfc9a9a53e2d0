import type { Inventory } from './inventory.js';
import { Server } from './server.js';
import { Stop } from './stop.js';

/**
 * Connects to both servers and locks out other deploys.
 * @throws Stop with the errors of both, so that one run finds two missing host keys
 */
export const connectPair = async (inventory: Inventory): Promise<Server[]> => {
  const results = await Promise.allSettled(
    inventory.servers.map((settings) => Server.connect(inventory, settings)),
  );
  const servers = results.flatMap((result) =>
    result.status === 'fulfilled' ? [result.value] : [],
  );
  const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  try {
    for (const error of errors) if (!(error instanceof Stop)) throw error;
    if (errors.length > 0) throw join(errors);
    for (const server of servers) await server.lock();
    return servers;
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
};

const join = (stops: readonly Stop[]): Stop =>
  new Stop(
    stops.map(({ message }) => message).join('\n'),
    [...new Set(stops.map(({ remedy }) => remedy))].join('\n'),
  );
