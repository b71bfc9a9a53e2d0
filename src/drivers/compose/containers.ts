import { type Project, runCompose } from './project.js';

const LOOK_TIMEOUT_MS = 20_000;
const LOOK = '{{.Id}} {{.State.Running}} {{.HostConfig.RestartPolicy.Name}} {{.Name}}';

export interface Container {
  id: string;
  name: string;
  service: string;
  isRunning: boolean;
  /** Whether the engine would start it again by itself, after a crash or a reboot. */
  restarts: boolean;
}

/** The containers of these services, whoever made them, running or not. @throws as `Executor.run` */
export const findContainers = (
  project: Project,
  services: readonly string[],
): Promise<Container[]> =>
  // One of them may be removed between the two commands.
  look(project, services).catch(() => look(project, services));

const look = async (project: Project, services: readonly string[]): Promise<Container[]> => {
  const options = { timeout: LOOK_TIMEOUT_MS };
  const found = await runCompose(project, ['ps', '--all', '--quiet', ...services], options);
  const ids = found.split('\n').filter((id) => id !== '');
  if (ids.length === 0) return [];
  const format = `${LOOK} {{index .Config.Labels "com.docker.compose.service"}}`;
  const shown = await project.executor.run(
    [...project.engine, 'inspect', '--type', 'container', '--format', format, ...ids],
    options,
  );
  return shown.trim().split('\n').map(readContainer);
};

/** From now on the engine starts them only when told to. Running ones are not disturbed. */
export const takeRestartPolicies = async (
  project: Project,
  containers: readonly Container[],
): Promise<void> => {
  const ids = containers.map(({ id }) => id);
  await project.executor.run([...project.engine, 'update', '--restart=no', ...ids], {
    timeout: LOOK_TIMEOUT_MS,
  });
};

const readContainer = (line: string): Container => {
  const [id = '', isRunning, policy = '', name = '', service = ''] = line.split(' ');
  return {
    id,
    name: name.replace(/^\//, ''),
    service,
    isRunning: isRunning === 'true',
    restarts: policy !== '' && policy !== 'no',
  };
};
