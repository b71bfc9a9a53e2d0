import { isAbsolute, join, relative } from 'node:path';
import { z } from 'zod';
import { ColdspareError } from '../../../domain/errors.js';
import { parseJsonAs } from '../../../domain/parse-json.js';
import type { Disk } from '../../../ports/disk.js';
import type { PsqlSession } from '../psql-session.js';
import type { ClusterFiles } from './files.js';

const locationSchema = z.object({
  directory: z.string(),
  programs: z.string(),
  /** Files of the configuration inside the data directory, from there. They are this server's own. */
  configuration: z.array(z.string()),
});

/** Where a cluster and its programs are. */
export type Location = z.infer<typeof locationSchema>;

/** Written by `ALTER SYSTEM`, and by us. */
export const AUTO_CONF = 'postgresql.auto.conf';

/** Settings that name a file that belongs to this server. */
const FILES = [
  'config_file',
  'hba_file',
  'ident_file',
  'ssl_cert_file',
  'ssl_key_file',
  'ssl_ca_file',
  'ssl_crl_file',
  'ssl_dh_params_file',
];

/** Asks a running server. */
const askLocation = async (session: PsqlSession): Promise<Location> => {
  const { directory, programs } = await session.row<{ directory: string; programs: string }>(
    `SELECT current_setting('data_directory') AS directory,
            (SELECT setting FROM pg_config WHERE name = 'BINDIR') AS programs`,
  );
  const files = await session.select<{ path: string }>(
    `SELECT sourcefile AS path FROM pg_file_settings WHERE sourcefile IS NOT NULL
     UNION SELECT setting FROM pg_settings
     WHERE name IN (${FILES.map((name) => `'${name}'`).join(', ')}) AND setting <> ''`,
  );
  const inside = files
    .map(({ path }) => (isAbsolute(path) ? relative(directory, path) : path))
    .filter((path) => !path.startsWith('..') && path !== AUTO_CONF);
  return { directory, programs, configuration: [...new Set(inside)].sort() };
};

/** What is known of the location, also while the server does not run: it is remembered in `file`. */
export class Locator {
  readonly #disk: Pick<Disk, 'read' | 'write'>;
  readonly #file: string;
  #known: Location | undefined;

  constructor(disk: Pick<Disk, 'read' | 'write'>, file: string) {
    this.#disk = disk;
    this.#file = file;
  }

  async learn(session: PsqlSession): Promise<void> {
    const found = await askLocation(session);
    if (JSON.stringify(found) === JSON.stringify(await this.find())) return;
    this.#known = found;
    await this.#disk.write(this.#file, JSON.stringify(found));
  }

  async find(): Promise<Location | undefined> {
    this.#known ??= parseJsonAs(locationSchema, await this.#disk.read(this.#file));
    return this.#known;
  }

  /** @throws ColdspareError `database-failed` when the server was never asked */
  async get(): Promise<Location> {
    const known = await this.find();
    if (known !== undefined) return known;
    throw new ColdspareError(
      'database-failed',
      'it is not known yet where the data directory is: the database has never answered this agent',
      'start the database once; the agent then remembers it',
    );
  }
}

/** Files of the configuration that are there, with what is in them. */
export const readConfiguration = async (
  files: Pick<ClusterFiles, 'read'>,
  { directory, configuration }: Location,
): Promise<[path: string, content: Buffer][]> => {
  const contents = await files.read(configuration.map((path) => join(directory, path)));
  return configuration.flatMap((path, index): [string, Buffer][] => {
    const content = contents[index];
    return content === undefined ? [] : [[path, content]];
  });
};
