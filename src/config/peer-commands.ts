import type { Config } from './config.js';

/** How the other machine's database and app are started and stopped over SSH: as this one's, unless it is set. */
export const peerCommands = (config: Config) => {
  const { DB_SERVICE, APP_SERVICE, COMPOSE_COMMAND } = config;
  const own =
    config.STACK === 'compose'
      ? {
          // As its own agent left the container: the override file over there is nobody's but that agent's.
          start: `${COMPOSE_COMMAND} up --no-build --detach --no-deps --no-recreate ${DB_SERVICE}`,
          stop: `${COMPOSE_COMMAND} stop ${DB_SERVICE}`,
          appStop: `${COMPOSE_COMMAND} stop ${APP_SERVICE.join(' ')}`,
        }
      : {
          start: config.DB_START_COMMAND,
          stop: config.DB_STOP_COMMAND,
          appStop: config.APP_STOP_COMMAND ?? '',
        };
  return {
    start: config.PEER_DB_START_COMMAND ?? own.start,
    stop: config.PEER_DB_STOP_COMMAND ?? own.stop,
    appStop: config.PEER_APP_STOP_COMMAND ?? own.appStop,
  };
};
