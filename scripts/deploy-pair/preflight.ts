import type { Config } from '../../src/config/config.js';
import { splitCommand } from '../../src/drivers/run-command.js';
import type { Server } from './server.js';
import { Stop } from './stop.js';

/** Checks that what the agent starts is installed. Changes nothing. @throws Stop when something is missing */
export const checkStack = async (server: Server, config: Config): Promise<void> => {
  if ((await server.tryRun(['systemctl', '--version'])) === undefined) {
    throw new Stop(
      `${server.name}: there is no systemctl`,
      'the deploy needs systemd; with another service manager install by hand, as wrangler-free-readme.md says',
    );
  }
  if (config.STACK === 'compose') await checkCompose(server, config);
  if (config.STACK === 'host') await checkTools(server, config);
};

const checkCompose = async (
  server: Server,
  { COMPOSE_PROJECT_DIR, COMPOSE_COMMAND, DB_SERVICE, APP_SERVICE }: Config,
): Promise<void> => {
  const found = await server.script('cd -- "$1"; shift; exec "$@"', [
    COMPOSE_PROJECT_DIR,
    ...splitCommand(COMPOSE_COMMAND),
    'config',
    '--services',
  ]);
  const services = found.split('\n');
  const missing = [DB_SERVICE, ...APP_SERVICE].find((service) => !services.includes(service));
  if (missing === undefined) return;
  throw new Stop(
    `${server.name}: the compose file in ${COMPOSE_PROJECT_DIR} has no service ${missing}, but ${services.join(' ').trim()}`,
    'set DB_SERVICE and APP_SERVICE to the names that your compose file uses',
  );
};

const checkTools = async (server: Server, { PG_BIN }: Config): Promise<void> => {
  const tools = ['psql', 'pg_dump', 'pg_restore'].map((tool) =>
    PG_BIN === undefined ? tool : `${PG_BIN}/${tool}`,
  );
  const script = 'for tool; do command -v "$tool" >/dev/null || echo "$tool"; done';
  const missing = (await server.script(script, tools)).trim().split('\n').join(', ');
  if (missing === '') return;
  throw new Stop(
    `${server.name}: ${missing} is not there`,
    "install PostgreSQL's client programs of the server's version, or set PG_BIN to their folder",
  );
};
