import { askCompose, askEngine, inspect, LABEL, type Project } from './project.js';

const FORMAT = `{{.Id}} {{.State.Running}} {{.State.Status}}:{{.State.ExitCode}} {{.HostConfig.RestartPolicy.Name}} {{.Name}} {{index .Config.Labels "${LABEL}.service"}} {{index .Config.Labels "${LABEL}.project"}}`;

/** Not left by `compose run`. */
const NOT_ONE_OFF = `${LABEL}.oneoff=False`;

export interface Container {
  id: string;
  name: string;
  service: string;
  project: string;
  isRunning: boolean;
  /** Whether it exited with 0, as a container for a single task does. */
  endedWell: boolean;
  /** Whether the engine would start it by itself after a crash or a reboot. */
  restarts: boolean;
}

/** The containers of these services, running or not, whoever created them. @throws as `Executor.run` */
export const findContainers = (
  project: Project,
  services: readonly string[],
): Promise<Container[]> =>
  // A container may be removed between the two commands.
  findOnce(project, services).catch(() => findOnce(project, services));

const findOnce = async (project: Project, services: readonly string[]): Promise<Container[]> => {
  const lines = await inspect(project, FORMAT, await findIds(project, services));
  const containers = lines.map(readContainer);
  if (containers.length === 0) return [];
  project.seen.project = containers[0]?.project;
  for (const { service, name } of containers) project.seen.containers.set(service, name);
  return containers.filter(({ service }) => services.includes(service));
};

const findIds = async (project: Project, services: readonly string[]): Promise<string[]> => {
  const list = ['ps', '--all', '--quiet'];
  const { seen } = project;
  if (seen.project !== undefined) {
    const filters = [`${LABEL}.project=${seen.project}`, NOT_ONE_OFF].flatMap((label) => [
      '--filter',
      `label=${label}`,
    ]);
    const ids = await askEngine(project, ...list, ...filters);
    if (ids.length > 0) return ids;
  }
  return askCompose(project, ...list, ...services);
};

/** Removes their restart policies: from now on, the engine starts them only when told to. Running ones go on. */
export const removeRestartPolicies = async (
  project: Project,
  containers: readonly Container[],
): Promise<void> => {
  const ids = containers.map(({ id }) => id);
  await askEngine(project, 'update', '--restart=no', ...ids);
};

const readContainer = (line: string): Container => {
  const [id = '', isRunning, end, policy = '', name = '', service = '', project = ''] =
    line.split(' ');
  return {
    id,
    name: name.replace(/^\//, ''),
    service,
    project,
    isRunning: isRunning === 'true',
    endedWell: end === 'exited:0',
    restarts: policy !== '' && policy !== 'no',
  };
};
