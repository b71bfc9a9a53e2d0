import type { Server } from 'node:http';
import { serve } from '@hono/node-server';
import { migrate, openPool } from './database.js';
import { createRoutes } from './routes.js';

/** The reference coffee shop: serves on `PORT` from `DATABASE_URL`. */
const main = async (): Promise<void> => {
  const { PORT: port = '3000', DATABASE_URL: url } = process.env;
  if (url === undefined) throw new Error('DATABASE_URL is missing: postgres://user@host:port/name');
  const pool = openPool(url);
  await migrate(pool);
  const server = serve({ fetch: createRoutes(pool).fetch, port: Number(port) }) as Server;
  server.once('listening', () => console.log(`the coffee shop serves on port ${port}`));

  process.once('SIGTERM', () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
    // A request that is still under way gets this long, and no longer.
    setTimeout(() => process.exit(0), 800);
  });
};

await main();
