import { setTimeout as sleep } from 'node:timers/promises';
import { ColdspareError } from '../../domain/errors.js';
import type { PeerMachine, PeerStack } from '../../peer/peer-machine.js';
import { isHealthy, type Probe } from '../../ports/probe.js';
import { type Executor, splitCommand } from '../command.js';
import { containerExecutor } from '../compose/container-executor.js';
import { openProject } from '../compose/project.js';
import { createService, type ServiceCommands } from '../host/service.js';
import { createPostgresDatabase } from '../postgres/database.js';
import { localTools } from '../postgres/tools.js';
import { connectSsh, type SshOptions } from './connection.js';
import { sshExecutor } from './executor.js';

const PROBE_TIMEOUT_MS = 3_000;
const ASK_AGAIN_MS = 250;
/** How long an app may go on answering after its stop command has said that it is down. */
const STILL_UP_MS = 10_000;

export interface PeerMachineOptions {
  ssh: SshOptions;
  /** As the programs over there reach it. */
  database: { host: string; port: number; user: string; name: string; password?: string };
  /** Folder of psql and pg_dump over there; default: PATH. */
  programs?: string;
  /** Without them the database service is taken to be always on. */
  databaseCommands?: ServiceCommands;
  appStopCommand: string;
  /**
   * A compose project over there: commands run in its directory, PostgreSQL's programs in the container of this
   * service. Without it everything runs on the machine itself.
   */
  compose?: { command: string; directory: string; service: string };
  /** The app as this machine reaches it; without it the stop command is believed. */
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
  const look = async () => (appUrl === undefined ? undefined : probe.get(appUrl, PROBE_TIMEOUT_MS));
  return {
    stop: async (signal) => {
      try {
        await executor.run(argv, { timeout: timeouts.stop, signal });
      } catch (error) {
        signal.throwIfAborted();
        // Many a stop command fails when there is nothing to stop.
        if ((await look())?.outcome === 'refuses') return;
        throw error;
      }
      const deadline = performance.now() + STILL_UP_MS;
      for (;;) {
        const seen = await look();
        // A proxy before it may go on saying 502.
        if (seen === undefined || !isHealthy(seen)) return;
        if (performance.now() >= deadline) throw stillUp(appUrl);
        await sleep(ASK_AGAIN_MS, undefined, { signal });
      }
    },
  };
};

const createDatabase = (
  { database, databaseCommands, programs, timeouts }: PeerMachineOptions,
  commands: Executor,
  tools: Executor,
): PeerStack['database'] => {
  const { name, password, ...address } = database;
  const options = {
    server: { ...address, executor: tools, tools: localTools({ password, folder: programs }) },
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
