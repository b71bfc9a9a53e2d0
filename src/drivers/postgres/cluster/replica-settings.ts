import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataDirectory } from './data-directory.js';
import { AUTO_CONF } from './location.js';
import { SLOT } from './read-positions.js';
import { REPLICATION_ROLE } from './replication-role.js';

/** How a replica reaches its primary: a host and its port, or the directory of a Unix socket. */
export interface ReplicationLink {
  host: string;
  port: number;
  password: string;
}

/** In seconds. */
const CONNECT_TIMEOUT = 5;

const quoted = (value: string | number): string => `'${`${value}`.replace(/['\\]/g, '\\$&')}'`;

/** A connection string for a replication connection. With `password`, which must then go into no argument. */
export const replicationConnection = (
  { host, port, password }: ReplicationLink,
  { withPassword }: { withPassword: boolean },
): string =>
  Object.entries({
    host,
    port,
    user: REPLICATION_ROLE,
    ...(withPassword && { password }),
    application_name: SLOT,
    connect_timeout: CONNECT_TIMEOUT,
  })
    .map(([name, value]) => `${name}=${quoted(value)}`)
    .join(' ');

/** `text` of a configuration file with these settings in place of earlier ones. */
export const withSettings = (text: string, settings: Readonly<Record<string, string>>): string => {
  const kept = text.split('\n').filter((line) => line !== '' && !isSet(line, settings));
  const added = Object.entries(settings).map(
    ([name, value]) => `${name} = '${value.replace(/['\\]/g, '$&$&')}'`,
  );
  return `${[...kept, ...added].join('\n')}\n`;
};

const isSet = (line: string, settings: Readonly<Record<string, string>>): boolean => {
  const [, name = ''] = /^\s*(\w+)\s*=?/.exec(line) ?? [];
  return name.toLowerCase() in settings;
};

/** Makes the cluster in `directory`, which does not run, a replica from its next start on. */
export const makeReplica = async (
  directory: string,
  autoConf: string,
  link: ReplicationLink,
  owned: Pick<DataDirectory, 'own'>,
): Promise<void> => {
  const text = withSettings(autoConf, {
    primary_conninfo: replicationConnection(link, { withPassword: true }),
    primary_slot_name: SLOT,
    wal_retrieve_retry_interval: '1s',
    wal_log_hints: 'on',
  });
  await put(directory, AUTO_CONF, text, owned);
  await put(directory, 'standby.signal', '', owned);
};

/** In force from the next start on. */
export const raiseSettings = async (
  directory: string,
  settings: Readonly<Record<string, number>>,
  owned: Pick<DataDirectory, 'own'>,
): Promise<void> => {
  const texts = Object.entries(settings).map(([name, value]) => [name, `${value}`] as const);
  const text = withSettings(await readAutoConf(directory), Object.fromEntries(texts));
  await put(directory, AUTO_CONF, text, owned);
};

const put = async (
  directory: string,
  name: string,
  content: string,
  owned: Pick<DataDirectory, 'own'>,
): Promise<void> => {
  const path = join(directory, name);
  await writeFile(`${path}.coldspare`, content, { mode: 0o600 });
  await owned.own(`${path}.coldspare`);
  await rename(`${path}.coldspare`, path);
};

export const readAutoConf = (directory: string): Promise<string> =>
  readFile(join(directory, AUTO_CONF), 'utf8').catch(() => '');
