import { setTimeout as sleep } from 'node:timers/promises';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';
import { Engine, engineOptions } from './engine.js';

const MAX_CONNECTIONS = 100;
/** How long the port's closing may take, in milliseconds. */
const STOP_GRACE = 250;

/** The live database, open to clients. */
export interface LiveSession {
  engine: Engine;
  /** Ends every client's connection, and then the database. */
  close(): Promise<void>;
}

export interface LiveSessionOptions {
  /** Directory of the database. */
  path: string;
  database: string;
  /** TCP port on 127.0.0.1. */
  port: number;
  /** PGlite does not read ALTER DATABASE … SET, so every session of a frozen database is opened read-only. */
  frozen: boolean;
}

export const openLiveSession = async (options: LiveSessionOptions): Promise<LiveSession> => {
  const { path, database, port, frozen } = options;
  const settings: Record<string, string> = frozen ? { default_transaction_read_only: 'on' } : {};
  const engine = new Engine(path, engineOptions(database, settings));
  await engine.waitReady;
  const server = new PGLiteSocketServer({
    db: engine,
    host: '127.0.0.1',
    port,
    maxConnections: MAX_CONNECTIONS,
  });
  try {
    await server.start();
  } catch (error) {
    await engine.close();
    throw error;
  }
  return {
    engine,
    close: async () => {
      // pglite-socket waits for ever for a client that connects while it stops.
      await Promise.race([server.stop(), sleep(STOP_GRACE)]);
      await engine.close();
    },
  };
};
