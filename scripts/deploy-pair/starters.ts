import { splitCommand } from '../../src/drivers/run-command.js';
import type { Variables } from './node-environment.js';
import type { Server } from './server.js';

/** Something other than the agent that starts the app. */
export interface Starter {
  what: string;
  remedy: string;
}

/** What else starts the app at boot. After a reboot the app must not serve before the agent has asked the other one. */
export const findStarters = async (server: Server, variables: Variables): Promise<Starter[]> => {
  switch (variables.STACK ?? 'compose') {
    case 'compose':
      return containersThatRestart(server, variables);
    case 'host':
      return unitThatIsEnabled(server, variables);
    default:
      return [];
  }
};

const unitThatIsEnabled = async (
  server: Server,
  { APP_START_COMMAND = '' }: Variables,
): Promise<Starter[]> => {
  const unit = /systemctl start ([\w@.:-]+)$/.exec(APP_START_COMMAND)?.[1];
  if (unit === undefined) return [];
  const said = await server.tryRun(['systemctl', 'is-enabled', unit]);
  if (said?.trim() !== 'enabled') return [];
  return [{ what: `systemd starts ${unit} at boot`, remedy: `systemctl disable ${unit}` }];
};

const containersThatRestart = async (server: Server, variables: Variables): Promise<Starter[]> => {
  const { COMPOSE_PROJECT_DIR = '', COMPOSE_COMMAND = 'docker compose' } = variables;
  const { DB_SERVICE = 'db', APP_SERVICE = 'app' } = variables;
  // The agent does not manage other services: they may start at boot.
  const ours = [DB_SERVICE, ...APP_SERVICE.split(/\s+/)];
  const [engine = 'docker'] = splitCommand(COMPOSE_COMMAND.replace('docker-compose', 'docker'));
  const label = `label=com.docker.compose.project.working_dir=${COMPOSE_PROJECT_DIR}`;
  const ids = await server.tryRun([engine, 'ps', '--all', '--quiet', '--filter', label]);
  const containers = ids?.split('\n').filter((id) => id !== '') ?? [];
  if (containers.length === 0) return [];
  const service = '{{index .Config.Labels "com.docker.compose.service"}}';
  const format = `{{.Name}} {{.HostConfig.RestartPolicy.Name}} ${service}`;
  const shown = await server.tryRun([engine, 'inspect', '--format', format, ...containers]);
  return (shown ?? '')
    .split('\n')
    .map((line) => line.replace(/^\//, '').split(' '))
    .filter(
      ([, policy = 'no', name = '']) => policy !== 'no' && policy !== '' && ours.includes(name),
    )
    .map(([name, policy]) => ({
      what: `the container ${name} has the restart policy ${policy}`,
      remedy: `${engine} update --restart=no ${name}`,
    }));
};
