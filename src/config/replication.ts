import { join } from 'node:path';
import { SOCKET_PORT } from '../domain/replication.js';
import type { Config } from './config.js';

/** What REPLICATION=stream needs on this node; undefined with REPLICATION=dump. */
export const replicationOf = ({
  REPLICATION,
  REPLICATION_ADDRESS,
  REPLICATION_SOCKET_DIR,
  PEER_TOKEN,
  STATE_DIR,
}: Config) =>
  REPLICATION === 'stream'
    ? {
        /** Where the other database is reached from this machine. */
        address: REPLICATION_ADDRESS ?? { host: REPLICATION_SOCKET_DIR, port: SOCKET_PORT },
        secret: PEER_TOKEN,
        file: join(STATE_DIR, 'cluster.json'),
      }
    : undefined;

/** Where the agents' own way to the other database ends; undefined without one. */
export const socketPlaceOf = ({
  REPLICATION,
  REPLICATION_ADDRESS,
  REPLICATION_SOCKET_DIR,
  STACK,
}: Config) =>
  REPLICATION === 'stream' && REPLICATION_ADDRESS === undefined
    ? {
        directory: REPLICATION_SOCKET_DIR,
        ...(STACK === 'compose' && { shared: 'containers' }),
      }
    : undefined;
