import { existsSync, realpathSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { config as readDotenv } from 'dotenv';
import { startAgent } from './agent/agent.js';
import type { Drivers } from './agent/create-node.js';
import { watch } from './agent/watchdog.js';
import { type Config, ConfigError, loadConfig } from './config/config.js';
import { meantVariable } from './config/misspelled.js';
import { peerCommands } from './config/peer-commands.js';
import { replicationOf, socketPlaceOf } from './config/replication.js';
import { healthCheckOf, heartbeatFile } from './config/settings.js';
import { databaseOf, timeoutsOf } from './config/stack.js';
import { explainStart } from './config/start-error.js';
import { environmentSchema } from './config/variables.js';
import { ColdspareError } from './domain/errors.js';
import { printable } from './domain/printable.js';
import type { ContainerReplication } from './drivers/compose/cluster.js';
import { createFileDisk } from './drivers/file-disk.js';
import { createFileFaults } from './drivers/file-faults.js';
import { createHttpPeer } from './drivers/http-peer.js';
import { createHttpProbe } from './drivers/http-probe.js';
import { acquireNodeLock, endLockHolder } from './drivers/node-lock.js';
import { createNotifier } from './drivers/notify/notifier.js';
import { createPinoLog } from './drivers/pino-log.js';
import { createRandomIds } from './drivers/random-ids.js';
import { withRoleHooks } from './drivers/role-hooks.js';
import { startDetached } from './drivers/run-command.js';
import { createSystemClock } from './drivers/system-clock.js';
import { openTlsFiles } from './drivers/tls-files.js';
import { makeSocketFolder } from './drivers/tunnel/socket.js';
import { createTunnels } from './drivers/tunnel/tunnels.js';
import type { PeerMachine } from './peer/peer-machine.js';
import type { Clock } from './ports/clock.js';
import type { CredentialFiles } from './ports/credentials.js';
import { noFaults } from './ports/faults.js';
import type { Probe } from './ports/probe.js';
import type { Stack } from './ports/stack.js';

/** Milliseconds for a stop command on the other machine. */
const PEER_STOP_TIMEOUT = 60_000;

/** Builds the stack of one value of STACK. */
type BuildStack = (config: Config, probe: Probe) => Promise<Stack>;
type Stacks = Partial<Record<Config['STACK'], BuildStack>>;

/**
 * The agent as a program, with the stacks of this file and `extraStacks`. Whatever fails at the start is printed, and
 * ends the process with 1.
 */
export const runProgram = (argv: string[], extraStacks: Stacks = {}): Promise<void> =>
  main(argv, { compose: buildComposeStack, host: buildHostStack, ...extraStacks }).catch(
    (error: unknown) => {
      if (error instanceof ConfigError) console.error(printable(error.message));
      else if (error instanceof ColdspareError) console.error(`${error.message}\n${error.remedy}`);
      else console.error(error);
      process.exit(1);
    },
  );

/**
 * The composition root: no other file of src/ knows which driver is behind which port. Stacks that are
 * not chosen are not even loaded: that would be a seventh of an agent's start.
 */
const main = async ([, program = '', command]: string[], stacks: Stacks): Promise<void> => {
  readDotenv({ quiet: true });
  const environment = { ...process.env };
  const config = loadConfig(environment);
  // What the agent starts inherits its environment: an app must get neither our keys nor our PORT.
  for (const name of Object.keys(environmentSchema.shape)) delete process.env[name];

  const buildStack = stacks[config.STACK];
  if (buildStack === undefined) throw new ConfigError(otherProgram(config.STACK));
  if (command === 'watchdog') return runWatchdog(config, buildStack);
  if (command !== undefined) throw new ConfigError(`there is no command "${command}"`);
  await runAgent(config, environment, buildStack).catch(explainStart(config));
  // One of an agent before goes by its settings, and outlives that agent: it would stop the app of one without a watchdog.
  await endLockHolder(watchdogDirectory(config), watchdogOf(config));
  if (config.WATCHDOG_TIMEOUT > 0) await startWatchdog(config, program, environment);
};

const otherProgram = (stack: string): string =>
  `STACK=${stack}: this program has compose and host; ${stack} is for the demo. In a clone of the project, start
  ./scripts/install && npm run build && node dist/scripts/embedded-stack/main.js`;

const watchdogDirectory = ({ STATE_DIR }: Config): string => join(STATE_DIR, 'watchdog');
const watchdogOf = ({ NODE_NAME }: Config) => ({ node: NODE_NAME, why: 'runs the watchdog' });

const runAgent = async (
  config: Config,
  environment: NodeJS.ProcessEnv,
  buildStack: BuildStack,
): Promise<void> => {
  const lock = await acquireNodeLock(config.STATE_DIR, {
    node: config.NODE_NAME,
    why: 'runs the agent',
  });
  const drivers = await buildDrivers(config, buildStack);
  for (const name of Object.keys(environment)) {
    const meant = meantVariable(name);
    if (meant) drivers.log.warn({ name }, `there is no variable ${name}; did you mean ${meant}?`);
  }
  const agent = await startAgent(config, drivers);
  const stop = async (signal: NodeJS.Signals) => {
    drivers.log.info({ signal }, 'stopping; the app goes on');
    try {
      await agent.stop();
      await lock.release();
      process.exit(0);
    } catch (error) {
      drivers.log.error({ error }, 'the agent could not stop in order; it is ended anyway');
      process.exit(1);
    }
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
};

/** In a process of its own, which goes on when the agent is killed. */
const startWatchdog = async (
  config: Config,
  program: string,
  environment: NodeJS.ProcessEnv,
): Promise<void> => {
  const env = Object.fromEntries(
    Object.entries(environment).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    ),
  );
  const logFile = join(config.STATE_DIR, 'watchdog.log');
  await startDetached([process.execPath, program, 'watchdog'], { env, logFile });
};

const runWatchdog = async (config: Config, buildStack: BuildStack): Promise<void> => {
  await acquireNodeLock(watchdogDirectory(config), watchdogOf(config));
  const { disk, clock, log, stack } = await buildDrivers(config, buildStack);
  const options = {
    heartbeat: heartbeatFile(config),
    timeout: config.WATCHDOG_TIMEOUT,
    interval: config.CHECK_INTERVAL,
  };
  await watch({ disk, clock, log, app: stack.app }, options, new AbortController().signal);
};

const buildDrivers = async (config: Config, buildStack: BuildStack): Promise<Drivers> => {
  const log = createPinoLog(config.LOG_LEVEL, config.NODE_NAME);
  // One forgotten promise must not end the agent, and with it backups, fencing and takeovers: what it belonged to
  // has failed, and everything else is intact. An exception outside of promises still ends the process.
  process.on('unhandledRejection', (error) =>
    log.error({ error }, 'a failure that nothing handled: this is a bug, please report it'),
  );
  const clock = createSystemClock();
  const appProbe = createHttpProbe(healthCheckOf(config));
  const faultsFile = process.env.COLDSPARE_TEST_FAULTS;
  if (faultsFile !== undefined) log.warn({ faultsFile }, 'faults are injected: this is a test');
  const machine = await buildPeerMachine(config, appProbe);
  const credentials = await openCredentials(config, clock);
  const socketPlace = socketPlaceOf(config);
  return {
    disk: createFileDisk(),
    clock,
    ids: createRandomIds(),
    log,
    faults: faultsFile === undefined ? noFaults : createFileFaults(faultsFile),
    notifier: createNotifier({ urls: config.NOTIFY_URLS, node: config.NODE_NAME, log, clock }),
    probe: createHttpProbe(),
    stack: withRoleHooks(await buildStack(config, appProbe), hooksOf(config)),
    ...(machine && { machine }),
    ...(credentials && { credentials }),
    ...(socketPlace && { tunnels: createTunnels({ ...socketPlace, log }) }),
    connectPeer: (link) =>
      createHttpPeer({
        url: config.PEER_URL,
        token: config.PEER_TOKEN,
        node: config.NODE_NAME,
        statusTimeout: config.CHECK_TIMEOUT,
        ...(credentials && { credentials }),
        ...link,
      }),
  };
};

const openCredentials = async (
  config: Config,
  clock: Clock,
): Promise<CredentialFiles | undefined> => {
  const { TLS_CERT, TLS_KEY, TLS_CA } = config;
  if (TLS_CERT === undefined || TLS_KEY === undefined) return undefined;
  return openTlsFiles({ cert: TLS_CERT, key: TLS_KEY, ca: TLS_CA }, clock.now);
};

/** PostgreSQL has little from more than that. */
const restoreJobs = (): number => Math.min(availableParallelism(), 8);

const buildComposeStack = async (config: Config, probe: Probe): Promise<Stack> => {
  const { createComposeStack } = await import('./drivers/compose/stack.js');
  return createComposeStack({
    replication: await containerReplicationOf(config),
    command: config.COMPOSE_COMMAND,
    directory: config.COMPOSE_PROJECT_DIR,
    services: { database: config.DB_SERVICE, app: config.APP_SERVICE },
    database: { host: config.DB_HOST, ...databaseOf(config) },
    ...(config.PG_BIN !== undefined && { programs: config.PG_BIN }),
    appHealthUrl: config.APP_HEALTH_URL,
    probe,
    disk: createFileDisk(),
    overrideFile: join(config.STATE_DIR, 'compose.override.yml'),
    restoreJobs: restoreJobs(),
    timeouts: timeoutsOf(config),
  });
};

const containerReplicationOf = async (
  config: Config,
): Promise<ContainerReplication | undefined> => {
  const replication = replicationOf(config);
  if (replication === undefined) return undefined;
  const { address, ...more } = replication;
  const place = socketPlaceOf(config);
  // A container cannot be made before the folder is there that it gets.
  const link = place ? { socketDirectory: await makeSocketFolder(place) } : { address };
  return { ...more, link, disk: createFileDisk() };
};

const buildHostStack = async (config: Config, probe: Probe): Promise<Stack> => {
  const { createHostStack } = await import('./drivers/host/stack.js');
  const replication = replicationOf(config);
  return createHostStack({
    ...(replication && { replication: { ...replication, disk: createFileDisk() } }),
    database: { host: config.DB_HOST, ...databaseOf(config) },
    ...(config.PG_BIN !== undefined && { programs: config.PG_BIN }),
    ...(config.DB_START_COMMAND !== undefined &&
      config.DB_STOP_COMMAND !== undefined && {
        databaseCommands: { start: config.DB_START_COMMAND, stop: config.DB_STOP_COMMAND },
      }),
    appCommands: { start: config.APP_START_COMMAND ?? '', stop: config.APP_STOP_COMMAND ?? '' },
    appHealthUrl: config.APP_HEALTH_URL,
    probe,
    log: join(config.STATE_DIR, 'services.log'),
    spool: { folder: config.STATE_DIR, jobs: restoreJobs() },
    timeouts: timeoutsOf(config),
  });
};

/** Both nodes are configured alike: what has no variable of its own is on the other machine as it is here. */
const buildPeerMachine = async (config: Config, probe: Probe): Promise<PeerMachine | undefined> => {
  const { PEER_SSH, PEER_SSH_KEY, PEER_SSH_HOST_KEY } = config;
  if (!PEER_SSH || !PEER_SSH_KEY || !PEER_SSH_HOST_KEY) return undefined;
  const { username, hostname, port } = new URL(`ssh://${PEER_SSH}`);
  const { start, stop, appStop } = peerCommands(config);
  const { createPeerMachine } = await import('./drivers/ssh/peer-machine.js');
  return createPeerMachine({
    ssh: {
      user: decodeURIComponent(username),
      host: hostname,
      port: Number(port || 22),
      keyFile: PEER_SSH_KEY,
      hostKey: PEER_SSH_HOST_KEY,
    },
    database: {
      host: config.DB_HOST,
      ...databaseOf(config),
      ...(config.PEER_DB_PORT !== undefined && { port: config.PEER_DB_PORT }),
    },
    ...(config.PG_BIN !== undefined && { programs: config.PG_BIN }),
    ...(start !== undefined && stop !== undefined && { databaseCommands: { start, stop } }),
    appStopCommand: appStop,
    ...(config.STACK === 'compose' && {
      compose: {
        command: config.COMPOSE_COMMAND,
        directory: config.PEER_COMPOSE_PROJECT_DIR ?? config.COMPOSE_PROJECT_DIR,
        service: config.DB_SERVICE,
      },
    }),
    ...(config.PRIMARY_CHECK_URL !== undefined && { appUrl: config.PRIMARY_CHECK_URL }),
    probe,
    timeouts: { ...timeoutsOf(config), stop: PEER_STOP_TIMEOUT },
  });
};

const hooksOf = (config: Config) => ({
  commands: { primary: config.ON_PRIMARY_COMMAND, standby: config.ON_STANDBY_COMMAND },
  cwd: config.STACK === 'compose' ? config.COMPOSE_PROJECT_DIR : process.cwd(),
  disk: createFileDisk(),
  file: join(config.STATE_DIR, 'role-hooks.json'),
});

/** Whether Node was started with this file, by whatever name: "dist/src/main" is one as well. */
function isStartedFile(program: string): boolean {
  const own = fileURLToPath(import.meta.url);
  return [program, `${program}.js`].some((name) => existsSync(name) && realpathSync(name) === own);
}

// Not when scripts/embedded-stack/main.ts imports this file. A deployed agent is started through a symbolic link.
if (isStartedFile(process.argv[1] ?? '')) await runProgram(process.argv);
