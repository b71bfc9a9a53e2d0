import { askCompose, askEngine, INSTEAD_OF, inspect, LABEL, type Project } from './project.js';

const FORMAT = `{{.Id}} {{.State.Running}} {{.State.Status}}:{{.State.ExitCode}} {{.HostConfig.RestartPolicy.Name}} {{.Name}} {{index .Config.Labels "${LABEL}.service"}} {{index .Config.Labels "${LABEL}.project"}} {{.Config.Image}} {{index .Config.Labels "${INSTEAD_OF}"}} {{index .Config.Labels "${LABEL}.project.config_files"}}`;

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
  /** By its name. */
  image: string;
  /** The image that the project's files named when the agent made it from another one; empty when it did not. */
  insteadOf: string;
  /** The compose files that it was made from. */
  files: string;
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
  for (const { service, name } of containers) {
    project.seen.containers.set(service, name);
    const ids = containers.filter((each) => each.service === service).map(({ id }) => id);
    project.seen.ids.set(service, ids);
  }
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
  return askCompose(project, ...list, ...services).catch((error: unknown) =>
    findWithoutCompose(project, services, error),
  );
};

/** A compose file that cannot be read at the moment does not change what runs: the engine knows by its labels. */
const findWithoutCompose = async (
  project: Project,
  services: readonly string[],
  error: unknown,
): Promise<string[]> => {
  const find = (label: string, ...options: string[]) =>
    askEngine(project, 'ps', '--quiet', ...options, '--filter', `label=${LABEL}.${label}`);
  const ids = await find(`project.working_dir=${project.directory}`, '--all');
  if (ids.length > 0) return ids;
  // Of an older compose, or of another directory. Unless nothing of that name runs at all, nobody can tell.
  const running = await Promise.all(services.map((service) => find(`service=${service}`)));
  if (running.some((found) => found.length > 0)) throw error;
  return [];
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
  const [id = '', isRunning, end, policy = '', name = '', service = '', project = '', ...rest] =
    line.split(' ');
  const [image = '', insteadOf = '', ...files] = rest;
  return {
    id,
    name: name.replace(/^\//, ''),
    service,
    project,
    isRunning: isRunning === 'true',
    endedWell: end === 'exited:0',
    image,
    insteadOf,
    files: files.join(' '),
    restarts: policy !== '' && policy !== 'no',
  };
};
