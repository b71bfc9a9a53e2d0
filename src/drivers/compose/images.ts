import { ColdspareError, isError } from '../../domain/errors.js';
import type { KeptImage } from './override.js';
import { askCompose, askEngine, type Project } from './project.js';

const NO_SUCH_IMAGE = /No such image: (\S*\w)/gi;

/**
 * Whether every image is on this machine that the services and what they depend on start from. Changes nothing.
 * @throws ColdspareError `app-failed` with the names of those that are missing; as `Executor.run`
 */
export const assertImages = async (
  project: Project,
  services: readonly string[],
  { directory, kept }: { directory: string; kept: Readonly<Record<string, KeptImage>> },
): Promise<void> => {
  const compose = project.compose.join(' ');
  const instead = new Map(Object.values(kept).map((each) => [each.insteadOf, each.image]));
  const named = await listImages(project, services);
  const images = named.map((name) => instead.get(name) ?? name);
  if (images.length === 0) return;
  try {
    await askEngine(project, 'image', 'inspect', '--format', '{{.Id}}', ...images);
  } catch (error) {
    if (!isError(error, 'command-failed')) throw error;
    const found = [...error.message.matchAll(NO_SUCH_IMAGE)].map(([, name]) => name);
    const missing = [...new Set(found)];
    if (missing.length === 0) throw error;
    throw new ColdspareError(
      'app-failed',
      `not on this machine, and the agent builds none: the image ${missing.join(' and ')}`,
      `build it here: in ${directory} on this machine, type "${compose} build", or "${compose} pull" if a registry has it`,
      { cause: error, value: missing },
    );
  }
};

/** Empty when it is unknown: docker-compose 1.29 cannot list images. Then the files are only checked. */
const listImages = async (project: Project, services: readonly string[]): Promise<string[]> => {
  try {
    const images = await askCompose(project, 'config', '--images', ...services);
    return [...new Set(images)];
  } catch {
    await askCompose(project, 'config', '--quiet');
    return [];
  }
};
