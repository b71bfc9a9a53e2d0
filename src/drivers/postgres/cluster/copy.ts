import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterCopy } from '../../../ports/cluster.js';
import { DataDirectory } from './data-directory.js';
import type { ClusterFiles } from './files.js';
import { type Locator, readConfiguration } from './location.js';
import {
  type ReplicationLink,
  readAutoConf,
  replicaFiles,
  replicationConnection,
} from './replica-settings.js';

/** Milliseconds. */
const REACH_TIMEOUT = 15_000;
const LOOK_PAUSE = 1_000;

export interface CopyOptions {
  files: ClusterFiles;
  locator: Pick<Locator, 'find' | 'get'>;
  link: ReplicationLink;
  /** Milliseconds for a copy, and for its verification. */
  timeout: number;
}

/** Copies with pg_basebackup, over one connection of the replication role. */
export const createClusterCopy = ({ files, locator, link, timeout }: CopyOptions): ClusterCopy => {
  const connection = replicationConnection(link, { withPassword: false });
  const env = { LC_ALL: 'C', PGPASSWORD: link.password };
  const open = async () => {
    const location = await locator.get();
    return { location, directory: new DataDirectory(files, location.directory) };
  };

  return {
    room: async () => files.room((await locator.get()).directory),

    reach: async (signal) => {
      const { programs } = await locator.get();
      const argv = [
        ...[join(programs, 'psql'), '-XAt', '--no-password', '-c', 'IDENTIFY_SYSTEM'],
        `--dbname=${connection} dbname='' replication=true`,
      ];
      const answer = await files.run(argv, { timeout: REACH_TIMEOUT, signal, env });
      return answer.split('|')[0] ?? '';
    },

    take: async (signal, onBytes) => {
      const { location, directory } = await open();
      await directory.makeRoom();
      const argv = [
        ...[join(location.programs, 'pg_basebackup'), '--no-password', `--dbname=${connection}`],
        ...['--pgdata', directory.copy, '--wal-method=stream', '--checkpoint=fast'],
      ];
      const done = new AbortController();
      const watching = watchSize(files, directory.copy, done.signal, onBytes);
      try {
        await files.run(argv, { timeout, signal, env });
      } finally {
        done.abort();
        await watching;
      }
    },

    verify: async (signal) => {
      const { location, directory } = await open();
      const argv = [join(location.programs, 'pg_verifybackup'), '--exit-on-error', directory.copy];
      await files.run(argv, { timeout, signal, env: { LC_ALL: 'C' } });
      // The configuration of the primary, such as its port and its addresses, is not this server's.
      const ours = await readConfiguration(files, location);
      await files.change([
        ...ours.map(([path, content]) => ({
          do: 'write' as const,
          path: join(directory.copy, path),
          content,
        })),
        ...replicaFiles(directory.copy, await readAutoConf(files, location.directory), link),
      ]);
    },

    install: async () => {
      const { location, directory } = await open();
      await files.assertStopped(location.directory);
      await directory.install();
    },

    abandon: async () => {
      // Never asked, so there was no copy either.
      if ((await locator.find()) === undefined) return;
      const { location, directory } = await open();
      await directory.abandon(() => files.assertStopped(location.directory));
    },

    isUnproven: async () => {
      if ((await locator.find()) === undefined) return false;
      return (await open()).directory.isSwapped();
    },

    finish: async () => (await open()).directory.finish(),
  };
};

/** How much has been copied. The copy is not disturbed by what fails here. */
const watchSize = async (
  files: Pick<ClusterFiles, 'size'>,
  directory: string,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<void> => {
  while (!signal.aborted) {
    await sleep(LOOK_PAUSE, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    await files.size(directory).then(onBytes, () => {});
  }
};
