import { z } from 'zod';
import { type Project, QUERY_TIMEOUT_MS, runCompose } from './project.js';

const configSchema = z.object({
  services: z.record(
    z.string(),
    z.object({ depends_on: z.record(z.string(), z.unknown()).default({}) }),
  ),
});

/**
 * Whether `services` depend on nothing but each other and `started`. False when that is unknown: not every compose prints
 * its configuration as JSON.
 */
export const dependOnlyOn = async (
  project: Project,
  services: readonly string[],
  started: readonly string[],
): Promise<boolean> => {
  try {
    const args = ['config', '--format', 'json'];
    const config = await runCompose(project, args, { timeout: QUERY_TIMEOUT_MS });
    const known = configSchema.parse(JSON.parse(config)).services;
    // Compose does not list a service whose profile is inactive, but starts it when it is named.
    if (services.some((name) => known[name] === undefined)) return false;
    const needed = services.flatMap((name) => Object.keys(known[name]?.depends_on ?? {}));
    return needed.every((name) => services.includes(name) || started.includes(name));
  } catch {
    return false;
  }
};
