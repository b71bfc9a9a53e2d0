import type { Config } from './config.js';

/** Of every stack. Milliseconds. */
export const timeoutsOf = (config: Config) => ({
  start: config.DB_START_TIMEOUT,
  appStart: config.APP_START_TIMEOUT,
  transfer: config.TRANSFER_TIMEOUT,
});

/** How the database is reached, but for its host. */
export const databaseOf = (config: Config) => ({
  port: config.DB_PORT,
  user: config.DB_USER,
  name: config.DB_NAME,
  ...(config.DB_PASSWORD !== undefined && { password: config.DB_PASSWORD }),
});
