import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'dotenv';
import { ColdspareError } from '../../domain/errors.js';
import type { Disk } from '../../ports/disk.js';

/** What compose takes when nobody names files, in its order: the first that is there, of each. */
const FILES = ['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml'];
const OVERRIDES = [
  'compose.override.yml',
  'compose.override.yaml',
  'docker-compose.override.yml',
  'docker-compose.override.yaml',
];

export interface OverrideOptions {
  /** Where the override file is kept. */
  file: string;
  disk: Pick<Disk, 'write'>;
  services: readonly string[];
  /** The project's. */
  directory: string;
  environment: Readonly<Record<string, string | undefined>>;
}

/**
 * Writes a compose file that takes away the services' restart policies (rule 8) and has them start from the images that
 * are here, and resolves to the environment in which compose reads it after the user's own files.
 * @throws ColdspareError `invalid-request` when there is no compose file
 */
export const writeOverride = async (options: OverrideOptions): Promise<Record<string, string>> => {
  const { file, disk, services, directory, environment } = options;
  const settings = { ...(await readDotenv(directory)), ...environment };
  const separator = settings.COMPOSE_PATH_SEPARATOR || ':';
  const own = settings.COMPOSE_FILE ? [settings.COMPOSE_FILE] : await findFiles(directory);
  await disk.write(file, overrideOf(services));
  return { COMPOSE_FILE: [...own, file].join(separator) };
};

/**
 * `deploy.restart_policy` outranks `restart`; a count of attempts that is left over would be refused. With another
 * `pull_policy` nothing would start while the registry is away, nor what was proven while it is there.
 */
const overrideOf = (services: readonly string[]): string =>
  [
    '# Written by coldspare, and written again at every start of a service: these start when the agent says so.',
    'services:',
    ...services.flatMap((service) => [
      `  ${JSON.stringify(service)}:`,
      '    restart: "no"',
      '    deploy: { restart_policy: { condition: none, max_attempts: 0 } }',
      '    pull_policy: missing',
    ]),
    '',
  ].join('\n');

const readDotenv = async (directory: string): Promise<Record<string, string>> =>
  parse(await readFile(join(directory, '.env'), 'utf8').catch(() => ''));

const findFiles = async (directory: string): Promise<string[]> => {
  const [file, override] = await Promise.all([
    findFirst(directory, FILES),
    findFirst(directory, OVERRIDES),
  ]);
  if (file !== undefined) return [file, ...(override === undefined ? [] : [override])];
  throw new ColdspareError(
    'invalid-request',
    `there is no compose file in ${directory}`,
    'COMPOSE_PROJECT_DIR names the directory of the compose file, and COMPOSE_FILE there the file when it has a name of its own',
    { value: directory },
  );
};

const findFirst = async (
  directory: string,
  names: readonly string[],
): Promise<string | undefined> => {
  for (const name of names) {
    const isThere = await access(join(directory, name), constants.F_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return name;
  }
  return undefined;
};
