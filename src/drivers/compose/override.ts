import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parse } from 'dotenv';
import { ColdspareError } from '../../domain/errors.js';
import type { Disk } from '../../ports/disk.js';
import { INSTEAD_OF } from './project.js';

/** The files that compose takes by default: the first of each list that exists. */
const FILES = ['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml'];
const OVERRIDES = [
  'compose.override.yml',
  'compose.override.yaml',
  'docker-compose.override.yml',
  'docker-compose.override.yaml',
];

/** An image, and the one that the files name. */
export interface KeptImage {
  image: string;
  insteadOf: string;
}

/** A folder of this machine, and where the containers of a service have it. */
export interface Mount {
  directory: string;
  target: string;
}

export interface OverrideOptions {
  /** Path of the override file. */
  file: string;
  disk: Pick<Disk, 'read' | 'write'>;
  services: readonly string[];
  /** What they depend on: only where its images come from is ours. */
  others?: readonly string[];
  /** Images that a service keeps although the files name others. */
  kept?: Readonly<Record<string, KeptImage>>;
  /** What a service has beside its own volumes. */
  mounts?: Readonly<Record<string, Mount>>;
  /** Of the project. */
  directory: string;
  /** Where compose reads variables from, such as `.env`. */
  envFiles: readonly string[];
  environment: Readonly<Record<string, string | undefined>>;
}

/**
 * Writes a compose file that removes the services' restart policies (rule 8) and lets them start from the local images.
 * Resolves to the environment in which compose reads it after the user's own files.
 * @throws ColdspareError `invalid-request` when there is no compose file
 */
export const writeOverride = async (options: OverrideOptions): Promise<Record<string, string>> => {
  const { file, disk, directory, environment, envFiles } = options;
  const settings = await readSettings(
    envFiles.map((name) => resolve(directory, name)),
    environment,
  );
  const separator = settings.COMPOSE_PATH_SEPARATOR || ':';
  const own = settings.COMPOSE_FILE ? [settings.COMPOSE_FILE] : findFiles(directory);
  const text = overrideOf(options);
  // On a full disk, what is there already is enough.
  if ((await disk.read(file)) !== text) await disk.write(file, text);
  return { COMPOSE_FILE: [...own, file].join(separator) };
};

/**
 * `deploy.restart_policy` outranks `restart`, and compose refuses it with a leftover count of attempts. With another
 * `pull_policy`, nothing would start while the registry is down, and another image than the proven one might start.
 */
const overrideOf = ({ services, others = [], kept = {}, mounts = {} }: OverrideOptions): string =>
  [
    '# Written by coldspare, and written again at every start of a service: these start when the agent says so.',
    'services:',
    ...others
      .filter((service) => !services.includes(service))
      .flatMap((service) => [`  ${JSON.stringify(service)}:`, PULL_POLICY]),
    ...services.flatMap((service) => [
      `  ${JSON.stringify(service)}:`,
      '    restart: "no"',
      '    deploy: { restart_policy: { condition: none, max_attempts: 0 } }',
      PULL_POLICY,
      ...keptImage(kept[service]),
      ...mountOf(mounts[service]),
    ]),
    '',
  ].join('\n');

/** docker-compose 1.29 knows no other word for "missing". */
const PULL_POLICY = '    pull_policy: if_not_present';

const quoted = (text: string): string => JSON.stringify(text).replaceAll('$', '$$$$');

const mountOf = (mount: Mount | undefined): string[] =>
  mount === undefined
    ? []
    : [
        `    volumes: [{ type: bind, source: ${quoted(mount.directory)}, target: ${quoted(mount.target)} }]`,
      ];

const keptImage = (kept: KeptImage | undefined): string[] => {
  if (kept === undefined) return [];
  return [
    `    image: ${quoted(kept.image)}`,
    `    labels: { "${INSTEAD_OF}": ${quoted(kept.insteadOf)} }`,
  ];
};

/** As compose does: the environment outranks a file, and a value may name variables. */
const readSettings = async (
  files: readonly string[],
  environment: OverrideOptions['environment'],
): Promise<OverrideOptions['environment']> => {
  let settings = environment;
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '');
    for (const [name, value] of Object.entries(parse(text))) {
      // Nothing stands for a variable between single quotes.
      const isLiteral = new RegExp(`^[ \\t]*(export[ \\t]+)?${name}[ \\t]*=[ \\t]*'`, 'm').test(
        text,
      );
      const own = isLiteral ? value : expand(value, settings);
      settings = { ...settings, [name]: environment[name] ?? own };
    }
  }
  return settings;
};

/** `$NAME`, `${NAME}`, and `${NAME:-another value}` with its kin. */
const REFERENCE = /\$(?:(\w+)|\{(\w+)(?:(:?)([-+?])((?:[^{}]|\{[^{}]*\})*))?\})/g;

const expand = (text: string, known: OverrideOptions['environment']): string =>
  text.replace(
    REFERENCE,
    (_, plain, braced, colon: string | undefined, operator: string, other = '') => {
      const value = known[plain ?? braced];
      const isSet = colon ? Boolean(value) : value !== undefined;
      if (operator === '+') return isSet ? expand(other, known) : '';
      return isSet ? (value ?? '') : operator === '-' ? expand(other, known) : '';
    },
  );

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
