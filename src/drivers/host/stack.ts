import { connect } from 'node:net';
import type { Probe } from '../../ports/probe.js';
import type { Stack } from '../../ports/stack.js';
import { isRefused } from '../http-client.js';
import { type ClusterOptions, createCluster } from '../postgres/cluster/cluster.js';
import { createLocalFiles } from '../postgres/cluster/local-files.js';
import {
  createPostgresDatabase,
  type DatabaseTimeouts,
  DEFAULT_TIMEOUTS,
} from '../postgres/database.js';
import type { DatabaseAddress, Spool } from '../postgres/server.js';
import { localExecutor } from '../run-command.js';
import { assertPrograms } from './programs.js';
import { connectReplica } from './replication.js';
import { createService, type ServiceCommands } from './service.js';

const CONNECT_TIMEOUT_MS = 3_000;
const PROBE_TIMEOUT_MS = 5_000;

export interface HostStackOptions {
  database: DatabaseAddress;
  /** Folder of psql, pg_dump and pg_restore; default: PATH. */
  programs?: string;
  /** Without them, the database service counts as always on. */
  databaseCommands?: ServiceCommands;
  appCommands: ServiceCommands;
  appHealthUrl: string;
  probe: Probe;
  /** File for what the commands, and the services they leave running, print. */
  log: string;
  /** A folder of the agent's own where a restore may put a dump, and how many jobs it may use then. */
  spool?: Spool;
  /** Present with REPLICATION=stream. */
  replication?: Pick<ClusterOptions, 'address' | 'secret' | 'disk' | 'file'>;
  /** Milliseconds; `stop` is the app's as well, and so is `start` without `appStart`. */
  timeouts?: Partial<DatabaseTimeouts> & { appStart?: number };
}

/** An installed PostgreSQL and an app, started and stopped by configured commands. */
export const createHostStack = (options: HostStackOptions): Stack => {
  const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
  const { databaseCommands, log, appHealthUrl, probe } = options;
  const { name, ...address } = options.database;
  const checkApp = () => probe.get(appHealthUrl, PROBE_TIMEOUT_MS);
  // The same sign for every service manager: something listens there. What hangs, resets or has a bad certificate may write.
  const isAppRunning = async () => (await checkApp()).outcome !== 'refuses';

  const server = { ...address, executor: localExecutor, programs: options.programs };
  const { replication } = options;

  return {
    name: 'host',
    ...(replication && {
      cluster: createCluster({
        ...replication,
        server,
        name,
        openFiles: (find) => createLocalFiles(localExecutor, find),
        transfer: timeouts.transfer,
      }),
    }),
    database: createPostgresDatabase({
      server: { ...server, spool: options.spool },
      name,
      timeouts,
      ...(databaseCommands !== undefined && {
        service: createService({
          executor: localExecutor,
          commands: databaseCommands,
          timeouts,
          log,
          isRunning: () => listens(address),
          isSlow: true,
          code: 'database-failed',
          address: `${address.host}:${address.port}`,
        }),
      }),
    }),
    app: {
      create: () =>
        assertPrograms({
          APP_START_COMMAND: options.appCommands.start,
          APP_STOP_COMMAND: options.appCommands.stop,
        }),
      ...createService({
        executor: localExecutor,
        commands: options.appCommands,
        timeouts: { start: timeouts.appStart ?? timeouts.start, stop: timeouts.stop },
        log,
        isRunning: isAppRunning,
        code: 'app-failed',
        address: appHealthUrl,
      }),
      isRunning: isAppRunning,
      check: checkApp,
    },
    openReplication: (signal) => connectReplica(address, signal),
  };
};

/** Whether anything may listen there. Only a refusal says that nothing does. */
const listens = ({ host, port }: Pick<DatabaseAddress, 'host' | 'port'>): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port, timeout: CONNECT_TIMEOUT_MS });
    const answer = (isListening: boolean) => {
      socket.destroy();
      resolve(isListening);
    };
    socket.once('connect', () => answer(true));
    socket.once('timeout', () => answer(true));
    socket.once('error', (error) => answer(!isRefused(error)));
  });
