import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runProgram } from '../../src/main.js';
import { createEmbeddedStack } from './stack.js';

/** Milliseconds between SIGTERM and SIGKILL. */
const STOP_TIMEOUT = 10_000;
/** Milliseconds for a question to our own database or app. CHECK_TIMEOUT, for the peer, may be far less. */
const QUERY_TIMEOUT = 5_000;
const SHOP = fileURLToPath(new URL('./shop/server.js', import.meta.url));

/** The agent, with one stack more: STACK=embedded. */
await runProgram(process.argv, {
  embedded: async (config, probe) =>
    createEmbeddedStack({
      directory: join(config.STATE_DIR, 'embedded'),
      database: { port: config.DB_PORT, user: config.DB_USER, name: config.DB_NAME },
      appHealthUrl: config.APP_HEALTH_URL,
      appProgram: config.EMBEDDED_APP ?? SHOP,
      probe,
      timeouts: {
        start: config.DB_START_TIMEOUT,
        stop: STOP_TIMEOUT,
        query: QUERY_TIMEOUT,
        transfer: config.TRANSFER_TIMEOUT,
      },
    }),
});
