import { z } from 'zod';
import { type Project, QUERY_TIMEOUT_MS, runCompose } from './project.js';

const COMPLETED = 'service_completed_successfully';

const configSchema = z.object({
  services: z.record(
    z.string(),
    z.object({
      depends_on: z.record(z.string(), z.object({ condition: z.string().optional() })).default({}),
      image: z.string().optional(),
      scale: z.number().optional(),
      deploy: z.object({ replicas: z.number().optional() }).nullish(),
    }),
  ),
});

/** What compose makes of the project's files. */
export interface ComposeConfig {
  /** Whether `services` depend on nothing but each other and `started`. */
  dependOnlyOn(services: readonly string[], started: readonly string[]): boolean;
  /** All of them. */
  readonly services: string[];
  /** The services that have to end with 0 before one of `services` starts, such as a migration. */
  oneShots(services: readonly string[]): string[];
  /** The image that the files name; undefined for one that is only built. */
  image(service: string): string | undefined;
  /** How many containers the service has to have. */
  replicas(service: string): number;
}

/** Of `services` and everything that they depend on. Undefined when it is unknown: docker-compose 1.29 prints no JSON. */
export const readConfig = async (
  project: Project,
  services: readonly string[],
): Promise<ComposeConfig | undefined> => {
  // Named, so that services in profiles are listed as well.
  const args = ['config', '--format', 'json', ...services];
  const text = await runCompose(project, args, { timeout: QUERY_TIMEOUT_MS }).catch(() => '');
  const config = parseConfig(text);
  if (config !== undefined)
    for (const name of services) project.seen.replicas.set(name, config.replicas(name));
  return config;
};

const parseConfig = (text: string): ComposeConfig | undefined => {
  try {
    return configOf(configSchema.parse(JSON.parse(text)).services);
  } catch {
    return undefined;
  }
};

const configOf = (known: z.infer<typeof configSchema>['services']): ComposeConfig => {
  const needsOf = (name: string) => Object.entries(known[name]?.depends_on ?? {});
  return {
    services: Object.keys(known),
    dependOnlyOn: (services, started) =>
      services.every((name) => known[name] !== undefined) &&
      services
        .flatMap(needsOf)
        .every(([name]) => services.includes(name) || started.includes(name)),
    oneShots: (services) => {
      const seen = new Set(services);
      const found = new Set<string>();
      // The set grows while it is read: what is needed needs others.
      for (const name of seen) {
        for (const [needed, { condition }] of needsOf(name)) {
          seen.add(needed);
          if (condition === COMPLETED && !services.includes(needed)) found.add(needed);
        }
      }
      return [...found];
    },
    image: (service) => known[service]?.image,
    replicas: (service) => known[service]?.scale ?? known[service]?.deploy?.replicas ?? 1,
  };
};
