import { join } from 'node:path';
import type { ClusterFiles, FileChange } from './files.js';
import { AUTO_CONF } from './location.js';
import { SLOT } from './read-positions.js';
import { REPLICATION_ROLE } from './replication-role.js';

/** How a replica reaches its primary: a host and its port, or the directory of a Unix socket. */
export interface ReplicationLink {
  host: string;
  port: number;
  password: string;
}

/** With this file in its data directory, PostgreSQL starts as a replica. */
export const REPLICA_SIGN = 'standby.signal';

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

/** What makes the cluster in `directory`, which does not run, a replica from its next start on. */
export const replicaFiles = (
  directory: string,
  autoConf: string,
  link: ReplicationLink,
): FileChange[] => {
  const content = withSettings(autoConf, {
    primary_conninfo: replicationConnection(link, { withPassword: true }),
    primary_slot_name: SLOT,
    wal_retrieve_retry_interval: '1s',
    wal_log_hints: 'on',
  });
  return [
    { do: 'write', path: join(directory, AUTO_CONF), content },
    { do: 'write', path: join(directory, REPLICA_SIGN), content: '' },
  ];
};

/** In force from the next start on. */
export const raiseSettings = async (
  files: ClusterFiles,
  directory: string,
  settings: Readonly<Record<string, number>>,
): Promise<void> => {
  const texts = Object.entries(settings).map(([name, value]) => [name, `${value}`] as const);
  const content = withSettings(await readAutoConf(files, directory), Object.fromEntries(texts));
  await files.change([{ do: 'write', path: join(directory, AUTO_CONF), content }]);
};

export const readAutoConf = async (
  files: Pick<ClusterFiles, 'read'>,
  directory: string,
): Promise<string> => {
  const [content] = await files.read([join(directory, AUTO_CONF)]);
  return content?.toString() ?? '';
};
