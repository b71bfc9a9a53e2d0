import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';

export interface SessionPool {
  /** Sessions that are open in the middle of a transaction now. */
  open(): number;
  /** Sessions that the server has ended. */
  ended(): number;
  close(): Promise<void>;
}

const RECONNECT_PAUSE = 20;

/** An app's connection pool: it holds its sessions in transactions, and opens another for each that it loses. */
export const openSessions = (connectionString: string, count: number): SessionPool => {
  const held = new Set<pg.Client>();
  let isClosed = false;
  let ended = 0;
  const holdOne = async (): Promise<void> => {
    while (!isClosed) {
      const client = new pg.Client({ connectionString, connectionTimeoutMillis: 2_000 });
      const lost = new Promise<void>((resolve) => client.once('end', resolve));
      client.on('error', () => {});
      try {
        await client.connect();
        await client.query('BEGIN');
        await client.query('SELECT count(*) FROM pg_class');
        held.add(client);
        // The pool was closed meanwhile, so nobody else would end this session.
        if (isClosed) await client.end();
        await lost;
        if (!isClosed) ended += 1;
      } catch {
        await client.end().catch(() => {});
      }
      held.delete(client);
      await pause(RECONNECT_PAUSE);
    }
  };
  const loops = Array.from({ length: count }, holdOne);
  return {
    open: () => held.size,
    ended: () => ended,
    close: async () => {
      isClosed = true;
      await Promise.all([...held].map((client) => client.end().catch(() => {})));
      await Promise.all(loops);
    },
  };
};
