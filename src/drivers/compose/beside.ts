import { z } from 'zod';
import { type Project, QUERY_TIMEOUT_MS, runCompose } from './project.js';

const mountSchema = z.object({
  type: z.string(),
  source: z.string().default(''),
  target: z.string(),
  read_only: z.boolean().default(false),
});

const configSchema = z.object({
  services: z.record(
    z.string(),
    z.object({ image: z.string().default(''), volumes: z.array(mountSchema).default([]) }),
  ),
});

/** Programs that keep something, if only in memory. */
const KEEPER =
  /(?:^|[/-])(?:redis|valkey|keydb|dragonfly|memcached|rabbitmq|nats|kafka|redpanda|activemq|beanstalkd|mosquitto|mongo|mysql|mariadb|postgres|elasticsearch|opensearch|meilisearch|typesense|minio|etcd)(?:[:@-]|$)/;

/** What the services beside `database` keep on this machine, by name: their volumes, and those known for queues or caches. */
export const keptBeside = async (project: Project, database: string): Promise<string[]> => {
  const args = ['config', '--format', 'json'];
  const config = await runCompose(project, args, { timeout: QUERY_TIMEOUT_MS });
  const { services } = configSchema.parse(JSON.parse(config));
  return Object.entries(services)
    .filter(([name]) => name !== database)
    .flatMap(([name, { image, volumes }]) => {
      const mounts = volumes.filter((mount) => !mount.read_only && KINDS[mount.type] !== undefined);
      const places = mounts.map(({ type, source, target }) => `${KINDS[type]} ${source || target}`);
      const isKeeper = KEEPER.test(image);
      if (places.length === 0 && !isKeeper) return [];
      return [
        `the service ${[name, ...(image ? [`(${image})`] : [])].join(' ')}${places.map((place) => `, ${place}`).join('')}`,
      ];
    });
};

const KINDS: Partial<Record<string, string>> = { volume: 'volume', bind: 'folder' };
