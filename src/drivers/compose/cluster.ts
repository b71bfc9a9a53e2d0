import { realpath } from 'node:fs/promises';
import { SOCKET_PORT } from '../../domain/replication.js';
import type { Cluster } from '../../ports/cluster.js';
import { type ClusterOptions, createCluster } from '../postgres/cluster/cluster.js';
import { findContainers } from './containers.js';
import { createContainerFiles } from './files.js';
import { imageId, mountsOf } from './helper.js';
import type { KeptImage, Mount } from './override.js';
import { askEngine, inspect, type Project } from './project.js';

/** How the container reaches the other node's PostgreSQL: at an address, or by the socket in a folder of this machine. */
export type ContainerReplication = Pick<ClusterOptions, 'secret' | 'disk' | 'file'> & {
  link: { address: ClusterOptions['address'] } | { socketDirectory: string };
};

/** Where containers have the folder of the socket. */
const SOCKET_TARGET = '/run/coldspare';

interface ContainerClusterOptions extends Pick<ClusterOptions, 'server' | 'name' | 'transfer'> {
  project: Project;
  service: string;
  replication: ContainerReplication;
  /** Makes the service's container, without starting it. */
  create: (signal: AbortSignal) => Promise<void>;
}

export interface ContainerCluster {
  cluster: Cluster;
  /** What its container needs to follow the other node; undefined when it dials an address. */
  mount: Mount | undefined;
  /**
   * What a new container keeps, when the one that there is can only follow as a new one, made with `mount`. Undefined when
   * it may stay. Only a replica gets a new one: only a person decides that for a database that serves.
   */
  mustBeRemade(): Promise<{ image?: KeptImage } | undefined>;
}

/** The cluster in the container of a service. */
export const createContainerCluster = (options: ContainerClusterOptions): ContainerCluster => {
  const { project, service, create, replication, ...more } = options;
  const { link, ...remembered } = replication;
  const mount =
    'socketDirectory' in link
      ? { directory: link.socketDirectory, target: SOCKET_TARGET }
      : undefined;
  const cluster = createCluster({
    ...more,
    ...remembered,
    address: 'address' in link ? link.address : { host: SOCKET_TARGET, port: SOCKET_PORT },
    openFiles: (find) => createContainerFiles({ project, service, find, create, socket: mount }),
  });
  return {
    cluster,
    mount,
    mustBeRemade: async () => {
      const [container] = await findContainers(project, [service]);
      if (mount === undefined || container === undefined) return undefined;
      const folder = await realpath(mount.directory);
      const mounts = await mountsOf(project, container.id);
      const isMounted = mounts.some(
        // An engine in a virtual machine sees the folder below another one.
        ({ Destination, Source }) => Destination === mount.target && Source.endsWith(folder),
      );
      if (isMounted || !(await cluster.isReplica())) return undefined;
      const [image = ''] = await inspect(project, '{{.Image}}', [container.id]);
      // Its name may be that of a newer image by now.
      const named = askEngine(project, 'image', 'inspect', '--format', '{{.Id}}', container.image);
      const [id] = await named.catch(() => []);
      return id === image ? {} : { image: { image: imageId(image), insteadOf: container.image } };
    },
  };
};
