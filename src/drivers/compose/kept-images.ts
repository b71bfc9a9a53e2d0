import type { Images } from '../../ports/stack.js';
import type { ComposeConfig } from './config.js';
import type { Container } from './containers.js';
import type { KeptImage } from './override.js';
import { askEngine, type Project } from './project.js';

type Kept = Record<string, KeptImage>;

/**
 * The images that the next start keeps, by service. A person may have named an image in a way that the agent does not
 * see, such as a variable of the shell that deployed it. What runs is then what the person meant, and not what the files
 * say to the agent. A container that the agent made follows the files: somebody has changed them since.
 */
export const keptImages = (
  containers: readonly Container[],
  config: ComposeConfig,
  overrideFile: string,
): Kept => {
  const kept: Kept = {};
  for (const { service, image, insteadOf, files } of containers) {
    const named = config.image(service);
    // An image without a name is none that somebody wrote down.
    if (named === undefined || named === image || image.startsWith('sha256:')) continue;
    const isOurs = files.includes(overrideFile);
    if (isOurs ? insteadOf === named : files !== '') kept[service] = { image, insteadOf: named };
  }
  return kept;
};

/** The same on a standby, which goes by what the primary runs from. Only the version counts: registries may differ. */
export const imagesOfPrimary = (primary: Images, config: ComposeConfig): Kept => {
  const kept: Kept = {};
  for (const [service, image] of Object.entries(primary)) {
    const named = config.image(service);
    if (named !== undefined && named !== image && repositoryOf(named) === repositoryOf(image))
      kept[service] = { image, insteadOf: named };
  }
  return kept;
};

const repositoryOf = (image: string): string => image.replace(/(:[^/:@]+)?(@.*)?$/, '');

/** Those whose image is on this machine. */
export const onThisMachine = async (project: Project, kept: Kept): Promise<Kept> => {
  const found: Kept = {};
  for (const [service, each] of Object.entries(kept)) {
    const inspected = askEngine(project, 'image', 'inspect', '--format', '{{.Id}}', each.image);
    if (await inspected.catch(() => undefined)) found[service] = each;
  }
  return found;
};

/** For people: which service keeps what, and which cannot. */
export const formatKept = (wanted: Kept, kept: Kept): string[] =>
  Object.entries(wanted).map(([service, { image, insteadOf }]) =>
    service in kept
      ? `${service} was started from ${image}, and the compose files here name ${insteadOf}`
      : `${service} runs from ${image} on the primary, which is not on this machine: a takeover would start ${insteadOf}`,
  );
