import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'dotenv';
import { ColdspareError } from '../../domain/errors.js';
import type { Disk } from '../../ports/disk.js';

/** The files that compose takes by default: the first of each list that exists. */
const FILES = ['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml'];
const OVERRIDES = [
  'compose.override.yml',
  'compose.override.yaml',
  'docker-compose.override.yml',
  'docker-compose.override.yaml',
];

export interface OverrideOptions {
  /** Path of the override file. */
  file: string;
  disk: Pick<Disk, 'write'>;
  services: readonly string[];
  /** Of the project. */
  directory: string;
  environment: Readonly<Record<string, string | undefined>>;
}

/**
 * Writes a compose file that removes the services' restart policies (rule 8) and lets them start from the local images.
 * Resolves to the environment in which compose reads it after the user's own files.
 * @throws ColdspareError `invalid-request` when there is no compose file
 */
export const writeOverride = async (options: OverrideOptions): Promise<Record<string, string>> => {
  const { file, disk, services, directory, environment } = options;
  const settings = { ...(await readDotenv(directory)), ...environment };
  const separator = settings.COMPOSE_PATH_SEPARATOR || ':';
  const own = settings.COMPOSE_FILE ? [settings.COMPOSE_FILE] : findFiles(directory);
  await disk.write(file, overrideOf(services));
  return { COMPOSE_FILE: [...own, file].join(separator) };
};

/**
 * `deploy.restart_policy` outranks `restart`, and compose refuses it with a leftover count of attempts. With another
 * `pull_policy`, nothing would start while the registry is down, and another image than the proven one might start.
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

const findFiles = (directory: string): string[] => {
  const findFirst = (names: readonly string[]) =>
    names.filter((name) => existsSync(join(directory, name))).slice(0, 1);
  const file = findFirst(FILES);
  if (file.length > 0) return [...file, ...findFirst(OVERRIDES)];
  throw new ColdspareError(
    'invalid-request',
    `there is no compose file in ${directory}`,
    'set COMPOSE_PROJECT_DIR to the directory of the compose file; if the file has a name of its own, set COMPOSE_FILE in the .env there',
    { value: directory },
  );
};
