import { ColdspareError } from '../../domain/errors.js';
import type { PeerMachine, PeerStack } from '../../peer/peer-machine.js';
import { isHealthy, type Probe } from '../../ports/probe.js';
import { containerExecutor } from '../compose/container-executor.js';
import { openProject } from '../compose/project.js';
import { createService, type ServiceCommands } from '../host/service.js';
import { pollUntil } from '../poll.js';
import { createPostgresDatabase } from '../postgres/database.js';
import type { DatabaseAddress } from '../postgres/server.js';
import { type Executor, splitCommand } from '../run-command.js';
import { connectSsh, type SshOptions } from './connection.js';
import { sshExecutor } from './executor.js';

const PROBE_TIMEOUT_MS = 3_000;
/** Milliseconds for which an app may go on answering after its stop command has ended. */
const STILL_UP_MS = 10_000;

export interface PeerMachineOptions {
  ssh: SshOptions;
  /** As the programs over there reach it. */
  database: DatabaseAddress;
  /** Folder of psql and pg_dump over there; default: PATH. */
  programs?: string;
  /** Without them, the database service counts as always on. */
  databaseCommands?: ServiceCommands;
  appStopCommand: string;
  /**
   * The compose project over there. Commands run in its directory, and PostgreSQL's programs in the container of this
   * service. Without it, everything runs on the machine itself.
   */
  compose?: { command: string; directory: string; service: string };
  /** The app as this machine reaches it. Without it, the app counts as down when the stop command has succeeded. */
  appUrl?: string;
  probe: Probe;
  /** Milliseconds: until the database answers, and until a stop command has ended. */
  timeouts: { start: number; stop: number; transfer?: number };
}

/** A stack of STACK=host or STACK=compose on the other machine, over SSH. */
export const createPeerMachine = (options: PeerMachineOptions): PeerMachine => ({
  reach: async (signal, use) => {
    const client = await connectSsh(options.ssh, signal);
    try {
      const { commands, tools } = executorsOf(options, sshExecutor(client));
      return await use({
        app: createApp(options, commands),
        database: createDatabase(options, commands, tools),
      });
    } finally {
      client.destroy();
    }
  },
});

const executorsOf = ({ compose }: PeerMachineOptions, executor: Executor) => {
  if (compose === undefined) return { commands: executor, tools: executor };
  const project = openProject(executor, compose);
  return { commands: project.executor, tools: containerExecutor(project, compose.service) };
};

const createApp = (
  { appStopCommand, appUrl, probe, timeouts }: PeerMachineOptions,
  executor: Executor,
): PeerStack['app'] => {
  const argv = splitCommand(appStopCommand);
  const probeApp = async () =>
    appUrl === undefined ? undefined : probe.get(appUrl, PROBE_TIMEOUT_MS);
  return {
    stop: async (signal) => {
      try {
        await executor.run(argv, { timeout: timeouts.stop, signal });
      } catch (error) {
        signal.throwIfAborted();
        // Many stop commands fail when there is nothing to stop.
        if ((await probeApp())?.outcome === 'refuses') return;
        throw error;
      }
      // Not until nothing answers: a proxy in front of the app may go on answering 502.
      const isDown = async () => {
        const seen = await probeApp();
        return seen === undefined || !isHealthy(seen);
      };
      await pollUntil(isDown, { timeout: STILL_UP_MS, signal, late: () => stillUp(appUrl) });
    },
  };
};

const createDatabase = (
  { database, databaseCommands, programs, timeouts }: PeerMachineOptions,
  commands: Executor,
  tools: Executor,
): PeerStack['database'] => {
  const { name, ...address } = database;
  const options = {
    server: { ...address, executor: tools, programs },
    name,
    timeouts,
  };
  const running = createPostgresDatabase(options);
  if (databaseCommands === undefined) return running;
  const service = createService({
    executor: commands,
    commands: databaseCommands,
    timeouts,
    isRunning: running.answers,
    code: 'database-failed',
    address: `${address.host}:${address.port} on the other machine`,
  });
  return createPostgresDatabase({ ...options, service });
};

const stillUp = (appUrl: string | undefined): ColdspareError =>
  new ColdspareError(
    'ssh-command-failed',
    `the app of the other machine still answers at ${appUrl} after it was stopped`,
    'check that PEER_APP_STOP_COMMAND stops all of it, and that nobody else starts it',
    { value: appUrl },
  );
