import { ColdspareError } from '../../domain/errors.js';
import type { PeerMachine, PeerStack } from '../../peer/peer-machine.js';
import { isHealthy, type Probe, type ProbeResult } from '../../ports/probe.js';
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
/** Milliseconds for the command that shows that commands are run. */
const FIRST_COMMAND_MS = 10_000;
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
  /**
   * Milliseconds: until the database answers, until a stop command has ended, and for which an app may go on answering
   * after that.
   */
  timeouts: { start: number; stop: number; transfer?: number; stillUp?: number };
}

/** A stack of STACK=host or STACK=compose on the other machine, over SSH. */
export const createPeerMachine = (options: PeerMachineOptions): PeerMachine => ({
  reach: async (signal, use) => {
    const client = await connectSsh(options.ssh, signal);
    try {
      const executor = sshExecutor(client);
      // A login is not yet a shell: nologin and a forced command let everybody in, and run nothing of ours (H41).
      await executor.run(['true'], { timeout: FIRST_COMMAND_MS, signal });
      const { commands, tools } = executorsOf(options, executor);
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
  return {
    stop: async (signal, isCheckProven) => {
      const probeApp = async () =>
        appUrl === undefined || !isCheckProven ? undefined : probe.get(appUrl, PROBE_TIMEOUT_MS);
      const asked = probeApp();
      try {
        await executor.run(argv, { timeout: timeouts.stop, signal });
      } catch (error) {
        signal.throwIfAborted();
        // Many stop commands fail when there is nothing to stop.
        if ((await probeApp())?.outcome === 'refuses') return;
        throw error;
      }
      const before = await asked;
      const isDown = async () => looksStopped(before, await probeApp());
      await pollUntil(isDown, {
        timeout: timeouts.stillUp ?? STILL_UP_MS,
        signal,
        late: () => stillUp(appUrl),
      });
    },
  };
};

/** What a proxy of HTTP answers when nothing is behind it; one of TCP only hangs up. */
const NOTHING_BEHIND = [502, 503, 504];
const HUNG_UP = /^(ECONNRESET|EPIPE|the connection was closed)/;

/**
 * Whether the probe lets a stop command that has succeeded be believed. What answers as before may be the app, also when
 * that is no health: a redirect, or a certificate that has expired. A way that was cut before tells nothing.
 */
const looksStopped = (before: ProbeResult | undefined, now: ProbeResult | undefined): boolean => {
  switch (now?.outcome) {
    case 'breaks':
      return HUNG_UP.test(now.detail);
    case 'hangs':
      return before?.outcome === 'hangs';
    case 'answers': {
      const isWorse = before !== undefined && isHealthy(before) && !isHealthy(now);
      return isWorse || NOTHING_BEHIND.includes(now.status);
    }
    default:
      return true;
  }
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
