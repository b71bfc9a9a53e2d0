import { z } from 'zod';
import { toColdspareError } from '../../domain/errors.js';
import { askCompose, askEngine, inspect, LABEL, type Project } from './project.js';

const PROJECT = `${LABEL}.project`;
const IS_ABOUT_NETWORKS = /\bnetwork\b.*\b(not found|is ambiguous)/i;
const FORMAT = `{{.Id}}\t{{.State.Running}}\t{{index .Config.Labels "${PROJECT}"}}\t{{json .NetworkSettings.Networks}}`;

/** By the network's name; as `docker inspect` prints it. */
const endpointsSchema = z.record(
  z.string(),
  z.object({
    NetworkID: z.string(),
    Aliases: z.array(z.string()).nullish(),
    IPAMConfig: z.object({ IPv4Address: z.string().optional() }).nullish(),
  }),
);

interface Container {
  id: string;
  isRunning: boolean;
  project: string;
  endpoints: z.infer<typeof endpointsSchema>;
}

interface Network {
  id: string;
  name: string;
}

/** Whether a start failed for a reason that `repairNetworks` may remove. */
export const isAboutNetworks = (error: unknown): boolean =>
  IS_ABOUT_NETWORKS.test(toColdspareError(error).message);

/**
 * Reconnects the stopped containers of a project to their networks. A container knows its network by id and cannot start
 * once that network is gone: "docker network prune" removes every network without a running container, which on a cold
 * standby is all of them, and a "docker compose down" may overtake a start. A container does not start either when two
 * clients created the same network at the same time. Compose repairs neither. No container is recreated, and no running
 * one is touched.
 * @throws as `Executor.run`
 */
export const repairNetworks = async (project: Project): Promise<void> => {
  const containers = await listContainers(project);
  const name = containers[0]?.project;
  if (name === undefined) return;
  await removeDuplicates(
    project,
    await listNetworks(project, '--filter', `label=${PROJECT}=${name}`),
  );

  const networks = await listNetworks(project);
  const exists = (id: string) => networks.some((network) => network.id === id);
  for (const { id, endpoints } of containers.filter(({ isRunning }) => !isRunning)) {
    for (const [network, endpoint] of Object.entries(endpoints)) {
      if (exists(endpoint.NetworkID) || !networks.some((each) => each.name === network)) continue;
      const aliases = (endpoint.Aliases ?? []).flatMap((alias) => ['--alias', alias]);
      const address = endpoint.IPAMConfig?.IPv4Address;
      const options = address === undefined ? aliases : [...aliases, '--ip', address];
      await askEngine(project, 'network', 'connect', ...options, network, id);
    }
  }
};

/** Keeps one network of each name. The engine refuses to remove those that running containers use. */
const removeDuplicates = async (project: Project, networks: readonly Network[]): Promise<void> => {
  const left = new Map<string, number>();
  for (const { name } of networks) left.set(name, (left.get(name) ?? 0) + 1);
  for (const { id, name } of networks) {
    const count = left.get(name) ?? 0;
    if (count === 1) continue;
    await askEngine(project, 'network', 'rm', id).then(
      () => left.set(name, count - 1),
      () => {},
    );
  }
};

const listContainers = async (project: Project): Promise<Container[]> => {
  const ids = await askCompose(project, 'ps', '--all', '--quiet');
  return (await inspect(project, FORMAT, ids)).map((line) => {
    const [id = '', isRunning, name = '', endpoints = '{}'] = line.split('\t');
    return {
      id,
      isRunning: isRunning === 'true',
      project: name,
      endpoints: endpointsSchema.parse(JSON.parse(endpoints)),
    };
  });
};

const listNetworks = async (project: Project, ...filters: string[]): Promise<Network[]> => {
  const args = ['network', 'ls', '--no-trunc', '--format', '{{.ID}}\t{{.Name}}', ...filters];
  return (await askEngine(project, ...args)).map((line) => {
    const [id = '', name = ''] = line.split('\t');
    return { id, name };
  });
};
