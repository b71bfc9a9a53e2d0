import { mkdir, readdir, readFile, readlink, realpath, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ColdspareError } from '../../../domain/errors.js';
import type { ClusterCopy } from '../../../ports/cluster.js';
import type { Executor, User } from '../../run-command.js';
import { readFreeBytes } from '../free-space.js';
import { DataDirectory } from './data-directory.js';
import { type Location, type Locator, ownerOf, readConfiguration } from './location.js';
import {
  makeReplica,
  type ReplicationLink,
  readAutoConf,
  replicationConnection,
} from './replica-settings.js';

/** Milliseconds. */
const REACH_TIMEOUT = 15_000;
const LOOK_PAUSE = 1_000;

export interface CopyOptions {
  executor: Executor;
  locator: Pick<Locator, 'find' | 'get'>;
  link: ReplicationLink;
  /** Milliseconds for a copy, and for its verification. */
  timeout: number;
}

interface Opened {
  location: Location;
  owner: User | undefined;
  directory: DataDirectory;
}

/** The files of a cluster on this machine. */
export const openDirectory = async ({ locator }: Pick<CopyOptions, 'locator'>): Promise<Opened> => {
  const location = await locator.get();
  const owner = await ownerOf(location.directory);
  return { location, owner, directory: new DataDirectory(location.directory, owner) };
};

/** Copies with pg_basebackup, over one connection of the replication role. */
export const createClusterCopy = (options: CopyOptions): ClusterCopy => {
  const { executor, locator, link, timeout } = options;
  const connection = replicationConnection(link, { withPassword: false });
  const env = { LC_ALL: 'C', PGPASSWORD: link.password };
  const open = () => openDirectory(options);

  return {
    room: async () => readFreeBytes(executor, (await locator.get()).directory),

    reach: async (signal) => {
      const { programs } = await locator.get();
      const argv = [
        ...[join(programs, 'psql'), '-XAt', '--no-password', '-c', 'IDENTIFY_SYSTEM'],
        `--dbname=${connection} dbname='' replication=true`,
      ];
      const answer = await executor.run(argv, { timeout: REACH_TIMEOUT, signal, env });
      return answer.split('|')[0] ?? '';
    },

    take: async (signal, onBytes) => {
      const { location, owner, directory } = await open();
      await directory.makeRoom();
      const argv = [
        ...[join(location.programs, 'pg_basebackup'), '--no-password', `--dbname=${connection}`],
        ...['--pgdata', directory.copy, '--wal-method=stream', '--checkpoint=fast'],
      ];
      const done = new AbortController();
      const watching = watchSize(directory.copy, done.signal, onBytes);
      try {
        await executor.run(argv, { timeout, signal, env, as: owner });
      } finally {
        done.abort();
        await watching;
      }
    },

    verify: async (signal) => {
      const { location, owner, directory } = await open();
      const argv = [join(location.programs, 'pg_verifybackup'), '--exit-on-error', directory.copy];
      await executor.run(argv, { timeout, signal, env: { LC_ALL: 'C' }, as: owner });
      // The configuration of the primary, such as its port and its addresses, is not this server's.
      for (const [path, content] of await readConfiguration(location)) {
        const target = join(directory.copy, path);
        await mkdir(dirname(target), { recursive: true });
        await writeFile(target, content, { mode: 0o600 });
        await directory.own(target);
      }
      const ours = await readAutoConf(location.directory);
      await makeReplica(directory.copy, ours, link, directory);
    },

    install: async () => {
      const { location, directory } = await open();
      await assertStopped(location);
      await directory.install();
    },

    abandon: async () => {
      // Never asked, so there was no copy either.
      if ((await locator.find()) === undefined) return;
      const { location, directory } = await open();
      if (await directory.isSwapped()) await assertStopped(location);
      await directory.abandon();
    },

    isUnproven: async () => {
      if ((await locator.find()) === undefined) return false;
      return (await open()).directory.isSwapped();
    },

    finish: async () => (await open()).directory.finish(),
  };
};

/** @throws ColdspareError `database-failed` while a server runs there: its files must not be moved */
export const assertStopped = async ({ directory }: Pick<Location, 'directory'>): Promise<void> => {
  const text = await readFile(join(directory, 'postmaster.pid'), 'utf8').catch(() => '');
  const pid = Number.parseInt(text, 10);
  // After a crash the file is still there, and another process may have its number by now.
  const workingDirectory = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
  if (workingDirectory !== (await realpath(directory))) return;
  throw new ColdspareError(
    'database-failed',
    `the database of this server still runs in ${directory} (process ${pid}), so its files are left alone`,
    'see whether DB_STOP_COMMAND stops it; it is tried again by itself',
    { value: pid },
  );
};

/** How much has been copied. The copy is not disturbed by what fails here. */
const watchSize = async (
  directory: string,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<void> => {
  while (!signal.aborted) {
    await sleep(LOOK_PAUSE, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    onBytes(await sizeOf(directory));
  }
};

const sizeOf = async (directory: string): Promise<number> => {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(
    () => [],
  );
  const sizes = entries
    .filter((entry) => entry.isFile())
    .map((entry) =>
      stat(join(entry.parentPath, entry.name)).then(
        ({ size }) => size,
        () => 0,
      ),
    );
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
};
