import { z } from 'zod';
import { LOOK_TIMEOUT_MS, type Project, runCompose } from './project.js';

const configSchema = z.object({
  services: z.record(
    z.string(),
    z.object({ depends_on: z.record(z.string(), z.unknown()).default({}) }),
  ),
});

/**
 * Whether the compose file lets `services` wait for nothing but each other and what is in `started`. No when that cannot
 * be told: not every compose prints its configuration as JSON.
 */
export const dependOnlyOn = async (
  project: Project,
  services: readonly string[],
  started: readonly string[],
): Promise<boolean> => {
  try {
    const args = ['config', '--format', 'json'];
    const config = await runCompose(project, args, { timeout: LOOK_TIMEOUT_MS });
    const known = configSchema.parse(JSON.parse(config)).services;
    // Of one in a profile that is not active, nothing is shown; naming it makes it active.
    if (services.some((name) => known[name] === undefined)) return false;
    const needed = services.flatMap((name) => Object.keys(known[name]?.depends_on ?? {}));
    return needed.every((name) => services.includes(name) || started.includes(name));
  } catch {
    return false;
  }
};
