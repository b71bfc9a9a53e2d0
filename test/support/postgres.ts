import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, inject } from 'vitest';
import { freePorts } from '../../scripts/lib/free-port.js';
import { runCommand, splitCommand } from '../../src/drivers/run-command.js';
import {
  AS_POSTGRES,
  initializeCluster,
  makeClusterDirectory,
  PROGRAMS,
  runAsPostgres,
} from './postgres-tools.js';
import { killFamilies, runsAs } from './processes.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** A cluster that was never started, to be copied: initdb takes ten times as long. */
    clusterTemplate: string;
  }
}

/** `describe` for tests that need an installed PostgreSQL; skipped with the reason in its name, but never in CI. */
export const describePostgres = (name: string, tests: () => void): void => {
  if (PROGRAMS !== undefined) {
    describe(name, tests);
  } else if (process.env.CI === 'true') {
    throw new Error(`${name}: PostgreSQL is not installed (pg_config is not in PATH)`);
  } else {
    console.warn(`SKIPPED ${name}: PostgreSQL is not installed (pg_config is not in PATH)`);
    describe.skip(`${name} (PostgreSQL is not installed)`, tests);
  }
};

export interface Cluster {
  port: number;
  /** The data directory. */
  data: string;
  /** Superuser; local connections need no password unless `password` was asked for. */
  user: string;
  startCommand: string;
  stopCommand: string;
  /** Runs SQL in `database` and answers what psql prints, unaligned. */
  psql(sql: string, database?: string): Promise<string>;
  /** Starts it, unless it runs. */
  start(): Promise<void>;
  /** The machine loses power: no shutdown checkpoint. */
  killHard(): Promise<void>;
  /** SIGKILL to every process of the server, as when the machine has no memory left. Nothing if it does not run. */
  crash(): Promise<void>;
  /** The server takes connections and never answers them, until `wake`. */
  hang(): Promise<void>;
  wake(): Promise<void>;
  remove(): Promise<void>;
}

/** A fresh PostgreSQL on a free port, started. With `password`, every TCP connection needs it. */
export const createCluster = async (options: { password?: string } = {}): Promise<Cluster> => {
  const port = await freePort();
  const directory = await makeClusterDirectory();
  const data = join(directory, 'data');
  const env = { PGPASSWORD: options.password ?? '' };

  if (options.password === undefined) {
    await runAsPostgres(`cp -a ${inject('clusterTemplate')} ${data}`);
  } else {
    const file = join(directory, 'password');
    await writeFile(file, options.password);
    await initializeCluster(data, `-A scram-sha-256 --pwfile=${file}`);
  }
  await appendFile(
    join(data, 'postgresql.conf'),
    `
port = ${port}
listen_addresses = '127.0.0.1'
unix_socket_directories = '${directory}'
fsync = off
`,
  );
  // Without -l the server keeps the stdio of its starter, as with a careless start command.
  const startCommand = `${AS_POSTGRES}${PROGRAMS}/pg_ctl -D ${data} -w start`;
  const stopCommand = `${AS_POSTGRES}${PROGRAMS}/pg_ctl -D ${data} -m fast -w stop`;
  const stop = async (mode: string) => {
    await runAsPostgres(`${PROGRAMS}/pg_ctl -D ${data} -m ${mode} -w stop`).catch(() => {});
  };
  /** Undefined when it does not run, even if its pid file is still there. */
  const serverPid = async (): Promise<number | undefined> => {
    const text = await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '');
    const pid = Number(text.split('\n')[0]);
    return runsAs(pid, data) ? pid : undefined;
  };
  const signal = async (name: NodeJS.Signals) => {
    const pid = await serverPid();
    if (pid !== undefined) process.kill(pid, name);
  };
  const isRunning = () =>
    runAsPostgres(`${PROGRAMS}/pg_ctl -D ${data} status`).then(
      () => true,
      () => false,
    );
  const start = async () => {
    if (await isRunning()) return;
    const log = join(directory, 'log');
    await runCommand(splitCommand(startCommand), { timeout: 60_000, log });
  };
  await start();

  return {
    port,
    data,
    user: 'postgres',
    startCommand,
    stopCommand,
    psql: (sql, database = 'postgres') =>
      runCommand(
        [
          `${PROGRAMS}/psql`,
          '-XAtqw',
          '-v',
          'ON_ERROR_STOP=1',
          '-h',
          '127.0.0.1',
          '-p',
          `${port}`,
        ].concat(['-U', 'postgres', '-d', database]),
        { timeout: 60_000, env, input: sql },
      ),
    start,
    killHard: () => stop('immediate'),
    crash: async () => {
      const pid = await serverPid();
      if (pid !== undefined) await killFamilies([pid]);
    },
    hang: () => signal('SIGSTOP'),
    wake: () => signal('SIGCONT'),
    remove: async () => {
      await signal('SIGCONT').catch(() => {});
      await stop('immediate');
      await rm(directory, { recursive: true, force: true });
    },
  };
};

export const freePort = async (): Promise<number> => {
  const [port = 0] = await freePorts(1);
  return port;
};
