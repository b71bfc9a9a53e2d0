import { join } from 'node:path';
import { SOCKET_PORT } from '../domain/replication.js';
import type { Config } from './config.js';

/** What REPLICATION=stream needs to reach the other database; undefined with REPLICATION=dump. */
export const replicationOf = ({
  REPLICATION,
  REPLICATION_ADDRESS,
  REPLICATION_SOCKET_DIR,
  PEER_TOKEN,
  STATE_DIR,
}: Config) =>
  REPLICATION === 'stream'
    ? {
        address: REPLICATION_ADDRESS ?? { host: REPLICATION_SOCKET_DIR, port: SOCKET_PORT },
        secret: PEER_TOKEN,
        file: join(STATE_DIR, 'cluster.json'),
      }
    : undefined;

/** Whether the agents carry PostgreSQL's replication over their own port. */
export const isCarriedByAgents = (config: Config): boolean =>
  config.REPLICATION === 'stream' && config.REPLICATION_ADDRESS === undefined;
