import type { Disk } from '../../ports/disk.js';
import type { Probe } from '../../ports/probe.js';
import type { Stack } from '../../ports/stack.js';
import {
  createPostgresDatabase,
  type DatabaseTimeouts,
  DEFAULT_TIMEOUTS,
} from '../postgres/database.js';
import type { DatabaseAddress } from '../postgres/server.js';
import { localExecutor } from '../run-command.js';
import { containerExecutor } from './container-executor.js';
import { findContainers, removeRestartPolicies } from './containers.js';
import { dependOnlyOn } from './dependencies.js';
import { writeOverride } from './override.js';
import { openProject } from './project.js';
import { createServices } from './services.js';

const PROBE_TIMEOUT_MS = 5_000;

/** Recreates a container whose image or settings have changed. Leaves its dependencies alone. */
const CREATE = ['--no-start', '--no-deps'];
const CREATE_AND_START = ['--detach', '--no-deps'];
/** Starts its dependencies first. Recreates nothing. */
const START_WITH_OTHERS = ['--detach', '--no-recreate'];

export interface ComposeStackOptions {
  /** Such as `docker compose`. */
  command: string;
  /** The directory of the compose file, as an absolute path. */
  directory: string;
  services: { database: string; app: readonly string[] };
  /** As PostgreSQL's tools reach it inside its container. */
  database: DatabaseAddress;
  /** Folder of psql, pg_dump and pg_restore in the container; default: its PATH. */
  programs?: string;
  appHealthUrl: string;
  probe: Probe;
  disk: Disk;
  /** Path of the override file. */
  overrideFile: string;
  /** The most jobs for a restore that somebody waits for. */
  restoreJobs?: number;
  /** Milliseconds; `start` and `stop` are the database's. */
  timeouts?: Partial<DatabaseTimeouts> & { appStart?: number };
}

/** The database and the app of a compose project. Its files and images are the user's; nothing is built or removed. */
export const createComposeStack = (options: ComposeStackOptions): Stack => {
  const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
  const { services, directory, appHealthUrl, probe } = options;
  const { name, ...address } = options.database;
  const project = openProject(localExecutor, options);
  const ours = [services.database, ...services.app];
  const override = () =>
    writeOverride({
      file: options.overrideFile,
      disk: options.disk,
      services: ours,
      directory,
      environment: process.env,
    });

  const database = createServices({
    project,
    names: [services.database],
    override,
    timeouts,
    code: 'database-failed',
  });
  const app = createServices({
    project,
    names: services.app,
    override,
    timeouts: { start: timeouts.appStart ?? timeouts.start, stop: timeouts.stop },
    code: 'app-failed',
  });

  return {
    name: 'compose',
    database: createPostgresDatabase({
      server: {
        ...address,
        executor: containerExecutor(project, services.database),
        programs: options.programs,
        spool: { folder: '/tmp', jobs: options.restoreJobs ?? 1 },
      },
      name,
      timeouts,
      service: {
        // Recreates nothing: only a person decides about a new image or another version of PostgreSQL.
        start: (signal) => database.up([['--detach', '--no-deps', '--no-recreate']], signal),
        stop: database.stop,
      },
    }),
    app: {
      create: async (signal) => {
        if (!(await app.isRunning())) await app.up([CREATE], signal);
      },
      start: async (signal) => {
        const [missing, needNothing] = await Promise.all([
          app.missing(),
          dependOnlyOn(project, services.app, [services.database]),
        ]);
        if (missing.length === 0) return;
        // If nothing else is needed, compose must not wait for the database's next health check: the database answers.
        const ways = needNothing ? [CREATE_AND_START] : [CREATE, START_WITH_OTHERS];
        await app.up(ways, signal, missing);
      },
      stop: app.stop,
      isRunning: app.isRunning,
      isFullyRunning: app.areWhole,
      check: () => probe.get(appHealthUrl, PROBE_TIMEOUT_MS),
    },
    disarm: async () => {
      const armed = (await findContainers(project, ours)).filter(({ restarts }) => restarts);
      if (armed.length > 0) await removeRestartPolicies(project, armed);
      return armed.map((container) => container.name);
    },
  };
};
