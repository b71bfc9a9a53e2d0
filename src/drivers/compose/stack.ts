import { statSync } from 'node:fs';
import { ColdspareError, isError } from '../../domain/errors.js';
import type { Disk } from '../../ports/disk.js';
import type { Probe } from '../../ports/probe.js';
import type { Images, Stack } from '../../ports/stack.js';
import {
  createPostgresDatabase,
  type DatabaseTimeouts,
  DEFAULT_TIMEOUTS,
} from '../postgres/database.js';
import type { DatabaseAddress } from '../postgres/server.js';
import { type Executor, localExecutor } from '../run-command.js';
import { keptBeside } from './beside.js';
import { type ContainerReplication, createContainerCluster } from './cluster.js';
import { readConfig } from './config.js';
import { containerExecutor } from './container-executor.js';
import { findContainers, removeRestartPolicies } from './containers.js';
import { assertImages } from './images.js';
import { formatKept, imagesOfPrimary, keptImages, onThisMachine } from './kept-images.js';
import { type KeptImage, type OverrideOptions, writeOverride } from './override.js';
import { openProject } from './project.js';
import { connectReplica } from './replication.js';
import { createServices } from './services.js';

const PROBE_TIMEOUT_MS = 5_000;

/** Recreates a container whose image or settings have changed. Leaves its dependencies alone. */
const CREATE = ['--no-start', '--no-deps'];
/** Makes what the service depends on. Recreates nothing. */
const CREATE_OTHERS = ['--no-start', '--no-recreate'];
const CREATE_AND_START = ['--detach', '--no-deps'];
/** Starts its dependencies first. Recreates nothing. */
const START_WITH_OTHERS = ['--detach', '--no-recreate'];
/** Recreates nothing: a running container of the same service goes on. */
const START_ALONE = ['--detach', '--no-deps', '--no-recreate'];
/** As `START_ALONE`, in a new container with the same volumes. */
const REMAKE_ALONE = ['--detach', '--no-deps', '--force-recreate'];

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
  /** As compose sees it; default: the agent's own. */
  environment?: Readonly<Record<string, string | undefined>>;
  /** Runs the commands; default: on this machine. */
  executor?: Executor;
  /** The most jobs for a restore that somebody waits for. */
  restoreJobs?: number;
  /** Present with REPLICATION=stream. */
  replication?: ContainerReplication | undefined;
  /** Milliseconds; `start` and `stop` are the database's. */
  timeouts?: Partial<DatabaseTimeouts> & { appStart?: number };
}

/** The database and the app of a compose project. Its files and images are the user's; nothing is built or removed. */
export const createComposeStack = (options: ComposeStackOptions): Stack => {
  const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
  const { services, directory, appHealthUrl, probe } = options;
  const { name, ...address } = options.database;
  const project = openProject(options.executor ?? localExecutorIn(directory), options);
  const ours = [services.database, ...services.app];
  const inDatabase = containerExecutor(project, services.database);
  let kept: Record<string, KeptImage> = {};
  let others: string[] = [];
  const server = { ...address, executor: inDatabase, programs: options.programs };
  const { replication } = options;
  const container =
    replication &&
    createContainerCluster({
      project,
      service: services.database,
      server,
      name,
      replication,
      create: (signal) => database.up([[...CREATE, '--no-recreate']], signal),
      transfer: timeouts.transfer,
    });
  let keptByDatabase: Record<string, KeptImage> = {};
  const override = (more: Partial<OverrideOptions> = {}) =>
    writeOverride({
      file: options.overrideFile,
      disk: options.disk,
      services: ours,
      directory,
      envFiles: project.envFiles,
      environment: options.environment ?? process.env,
      ...(container?.mount && { mounts: { [services.database]: container.mount } }),
      ...more,
    });

  const database = createServices({
    project,
    names: [services.database],
    override: () => override({ kept: keptByDatabase }),
    timeouts,
    code: 'database-failed',
  });
  const app = createServices({
    project,
    names: services.app,
    override: () => override({ kept, others }),
    timeouts: { start: timeouts.appStart ?? timeouts.start, stop: timeouts.stop },
    code: 'app-failed',
  });

  /** What the primary runs from, as a standby heard last. */
  let ofPrimary: Images | undefined;
  /** What the files say now, and which images the app keeps all the same. */
  const readFiles = async (find = app.containers) => {
    const [containers, config] = await Promise.all([find(), readConfig(project, services.app)]);
    let wanted = kept;
    // A compose that does not answer in time says nothing about images.
    if (config !== undefined)
      wanted =
        ofPrimary === undefined
          ? keptImages(containers, config, options.overrideFile)
          : imagesOfPrimary(ofPrimary, config);
    others = config?.services ?? [];
    kept = ofPrimary === undefined ? wanted : await onThisMachine(project, wanted);
    return {
      oneShots: (names: readonly string[]) => config?.oneShots(names) ?? [],
      needNothing: config?.dependOnlyOn(services.app, [services.database]) ?? false,
      images: Object.fromEntries(containers.map(({ service, image }) => [service, image])),
      kept: formatKept(wanted, kept),
    };
  };
  const assertStartable = () => assertImages(project, ours, { directory, kept });
  /** A missing image is named, with the remedy, where compose speaks of a registry. */
  const namingImages = async (start: () => Promise<void>): Promise<void> => {
    try {
      await start();
    } catch (error) {
      const missing = await assertStartable().catch((reason: unknown) => reason);
      throw isError(error, 'app-failed') && isError(missing, 'app-failed') ? missing : error;
    }
  };

  return {
    name: 'compose',
    ...(container && { cluster: container.cluster }),
    database: createPostgresDatabase({
      server: { ...server, spool: { folder: '/tmp', jobs: options.restoreJobs ?? 1 } },
      name,
      timeouts,
      service: {
        // Recreates nothing else: only a person decides about a new image or another version of PostgreSQL.
        start: async (signal) => {
          // Whatever keeps that from being known must not keep a database from starting.
          const remade = await container?.mustBeRemade().catch(() => undefined);
          keptByDatabase = remade?.image ? { [services.database]: remade.image } : {};
          await database.up([remade === undefined ? START_ALONE : REMAKE_ALONE], signal);
        },
        stop: database.stop,
      },
    }),
    app: {
      create: async (signal) => {
        if (await app.isRunning()) return;
        const { oneShots, needNothing } = await readFiles();
        await namingImages(async () => {
          await app.up([CREATE], signal, [...services.app, ...oneShots(services.app)]);
          if (!needNothing) await app.up([CREATE_OTHERS], signal);
        });
      },
      start: async (signal) => {
        const [{ down, thin }, { oneShots, needNothing }] = await Promise.all([
          app.missing(),
          readFiles(),
        ]);
        if (thin.length > 0) await app.up([START_ALONE], signal, thin);
        if (down.length === 0) return;
        await namingImages(async () => {
          // If nothing else is needed, compose must not wait for the database's next health check: the database answers.
          if (needNothing) return app.up([CREATE_AND_START], signal, down);
          // What has to run to its end first is made anew with the app: a migration belongs to the app's version.
          await app.up([CREATE], signal, [...down, ...oneShots(down)]);
          await app.up([START_WITH_OTHERS], signal, down);
        });
      },
      assertStartable: async (primary) => {
        ofPrimary = primary;
        // Not as an error of the app: an engine that is slow says nothing about that.
        const { images, kept: told } = await readFiles(() => findContainers(project, services.app));
        await assertStartable();
        return { images, kept: told };
      },
      stop: app.stop,
      isRunning: app.isRunning,
      isFullyRunning: async () => {
        if (project.seen.replicas.size === 0) await readConfig(project, services.app);
        return app.areWhole();
      },
      check: () => probe.get(appHealthUrl, PROBE_TIMEOUT_MS),
    },
    openReplication: (signal) => connectReplica(inDatabase, address, signal),
    uncarried: () => keptBeside(project, services.database),
    disarm: async () => {
      const armed = (await findContainers(project, ours)).filter(({ restarts }) => restarts);
      if (armed.length > 0) await removeRestartPolicies(project, armed);
      return armed.map((container) => container.name);
    },
  };
};

/** @throws ColdspareError `invalid-request`; the program itself would name neither the folder nor the variable */
const localExecutorIn = (directory: string): Executor => {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return localExecutor;
  throw new ColdspareError(
    'invalid-request',
    `COMPOSE_PROJECT_DIR=${directory} cannot be used: there is no such folder`,
    "name the folder of the project's compose file",
    { value: directory },
  );
};
