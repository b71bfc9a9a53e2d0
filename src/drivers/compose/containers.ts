import { askCompose, askEngine, LABEL, type Project } from './project.js';

const LOOK = `{{.Id}} {{.State.Running}} {{.State.Status}}:{{.State.ExitCode}} {{.HostConfig.RestartPolicy.Name}} {{.Name}} {{index .Config.Labels "${LABEL}.service"}} {{index .Config.Labels "${LABEL}.project"}}`;

export interface Container {
  id: string;
  name: string;
  service: string;
  project: string;
  isRunning: boolean;
  /** Whether it ran to its end without an error, as a container does that has only one thing to do. */
  endedWell: boolean;
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
  const ids = await findIds(project, services);
  if (ids.length === 0) return [];
  const shown = await askEngine(
    project,
    ...['inspect', '--type', 'container', '--format', LOOK, ...ids],
  );
  const containers = shown.map(readContainer);
  project.seen.project = containers[0]?.project;
  for (const { service, name } of containers) project.seen.containers.set(service, name);
  return containers.filter(({ service }) => services.includes(service));
};

const findIds = async (project: Project, services: readonly string[]): Promise<string[]> => {
  const list = ['ps', '--all', '--quiet'];
  const { seen } = project;
  if (seen.project !== undefined) {
    const ids = await askEngine(project, ...list, ...ofProject(seen.project));
    if (ids.length > 0) return ids;
  }
  return askCompose(project, ...list, ...services);
};

/** Without what `compose run` has left. */
const ofProject = (name: string): string[] =>
  [`${LABEL}.project=${name}`, `${LABEL}.oneoff=False`].flatMap((label) => [
    '--filter',
    `label=${label}`,
  ]);

/** From now on the engine starts them only when told to. Running ones are not disturbed. */
export const takeRestartPolicies = async (
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
