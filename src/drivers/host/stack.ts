import { connect } from 'node:net';
import type { Probe } from '../../ports/probe.js';
import type { Stack } from '../../ports/stack.js';
import {
  createPostgresDatabase,
  type DatabaseTimeouts,
  DEFAULT_TIMEOUTS,
} from '../postgres/database.js';
import type { DatabaseAddress, Spool } from '../postgres/server.js';
import { localExecutor } from '../run-command.js';
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
  /** Milliseconds; `stop` is the app's as well, and so is `start` without `appStart`. */
  timeouts?: Partial<DatabaseTimeouts> & { appStart?: number };
}

/** An installed PostgreSQL and an app, started and stopped by configured commands. */
export const createHostStack = (options: HostStackOptions): Stack => {
  const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
  const { databaseCommands, log, appHealthUrl, probe } = options;
  const { name, ...address } = options.database;
  const checkApp = () => probe.get(appHealthUrl, PROBE_TIMEOUT_MS);
  // The same sign for every service manager: something listens there. An app that hangs may still write.
  const isAppRunning = async () => (await checkApp()).outcome !== 'refuses';

  return {
    name: 'host',
    database: createPostgresDatabase({
      server: {
        ...address,
        executor: localExecutor,
        programs: options.programs,
        spool: options.spool,
      },
      name,
      timeouts,
      ...(databaseCommands !== undefined && {
        service: createService({
          executor: localExecutor,
          commands: databaseCommands,
          timeouts,
          log,
          isRunning: () => listens(address),
          code: 'database-failed',
          address: `${address.host}:${address.port}`,
        }),
      }),
    }),
    app: {
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
  };
};

/** Whether anything accepts connections there. A server that hangs counts. */
const listens = ({ host, port }: Pick<DatabaseAddress, 'host' | 'port'>): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port, timeout: CONNECT_TIMEOUT_MS });
    const answer = (isListening: boolean) => {
      socket.destroy();
      resolve(isListening);
    };
    socket.once('connect', () => answer(true));
    socket.once('timeout', () => answer(true));
    socket.once('error', () => answer(false));
  });
