import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { AgentProcess, eventually } from '../../scripts/lib/agent-process.js';
import { freePorts } from '../../scripts/lib/free-port.js';
import { runCommand, splitCommand } from '../../src/drivers/run-command.js';
import { Link, type Way } from './link.js';
import { Operated } from './operated.js';
import { type Cluster, createCluster } from './postgres.js';
import { PROGRAMS } from './postgres-tools.js';
import { listPids, runsAs } from './processes.js';
import { TOKENS } from './tokens.js';

export { eventually, TOKENS };

const MAIN = resolve('dist/test-agent/main.js');
const SERVICE = resolve('test/apps/service.mjs');
const LEDGER = resolve('test/apps/ledger.mjs');

export interface FaultRule {
  label: string;
  moment: 'before' | 'during' | 'after';
  action: 'fail' | 'kill' | 'hang' | 'hold';
}

/** One server: a real agent, with its own PostgreSQL and its own app. */
export class Machine extends Operated {
  readonly database: Cluster;
  readonly appUrl: string;
  readonly appStopCommand: string;
  readonly directory: string;
  readonly #appStartCommand: string;
  readonly #pidFile: string;

  constructor(options: {
    agent: AgentProcess;
    database: Cluster;
    appUrl: string;
    appStartCommand: string;
    appStopCommand: string;
    directory: string;
  }) {
    super(options.agent);
    this.database = options.database;
    this.appUrl = options.appUrl;
    this.directory = options.directory;
    this.appStopCommand = options.appStopCommand;
    this.#appStartCommand = options.appStartCommand;
    this.#pidFile = join(options.directory, 'app.pid');
  }

  /** The entries that the app shows, in order; undefined when it does not answer. */
  async entries(): Promise<string[] | undefined> {
    try {
      const response = await fetch(this.appUrl, { signal: AbortSignal.timeout(3_000) });
      if (!response.ok) return undefined;
      return ((await response.json()) as { text: string }[]).map(({ text }) => text);
    } catch {
      return undefined;
    }
  }

  /** Writes through the app. Resolves to whether the write was acknowledged. */
  async write(text: string): Promise<boolean> {
    try {
      const body = JSON.stringify({ text });
      const response = await fetch(this.appUrl, {
        method: 'POST',
        body,
        signal: AbortSignal.timeout(3_000),
      });
      return response.status === 201;
    } catch {
      return false;
    }
  }

  /** Sends SIGKILL to the app alone. */
  killApp(): void {
    const pid = this.#appPid();
    if (pid === undefined) return;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It was gone already.
    }
  }

  /** The processes of the watchdogs, which outlive their agents. */
  watchdogs(): number[] {
    return listPids().filter((pid) => {
      try {
        const isOurs = readFileSync(`/proc/${pid}/environ`, 'utf8').includes(
          `STATE_DIR=${this.directory}\0`,
        );
        return isOurs && readFileSync(`/proc/${pid}/cmdline`, 'utf8').endsWith('\0watchdog\0');
      } catch {
        // It ended while we looked.
        return false;
      }
    });
  }

  /** SIGKILL to the watchdogs; one may only just be starting. */
  killWatchdogs(): void {
    for (const pid of this.watchdogs()) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended while we looked.
      }
    }
  }

  /** Kills the app and keeps it from being started until `mendApp`. */
  async breakApp(): Promise<void> {
    await writeFile(`${this.#pidFile}.broken`, '');
    this.killApp();
  }

  async mendApp(): Promise<void> {
    await rm(`${this.#pidFile}.broken`, { force: true });
  }

  /** Starts app and database without the agent, as a restart policy or a person would. */
  async startByOthers(): Promise<void> {
    await this.database.start();
    await this.startAppByOthers();
    await eventually('the app answers', () => this.entries());
  }

  /** Starts only the app and does not wait for it, since the agent's guard may stop it first. */
  async startAppByOthers(): Promise<void> {
    const log = join(this.directory, 'others.log');
    await runCommand(splitCommand(this.#appStartCommand), { timeout: 30_000, log });
  }

  /** Empties the app's ledger of the seeds of its first start. */
  async clearEntries(): Promise<void> {
    await this.database.psql('DELETE FROM entries', 'ledger');
  }

  /** Removes the lineage from the database, whose rows stay. */
  async forgetLineage(): Promise<void> {
    await this.database.psql('COMMENT ON DATABASE ledger IS NULL');
  }

  async databaseNames(): Promise<string[]> {
    return (await this.database.psql('SELECT datname FROM pg_database')).trim().split('\n');
  }

  async startDatabase(): Promise<void> {
    await this.database.start();
  }

  /** Whether its database is stopped: nothing listens on its port. */
  isCold(): Promise<boolean> {
    return this.database.psql('SELECT 1').then(
      () => false,
      (error: Error) => error.message.includes('Connection refused'),
    );
  }

  /** Kills agent, app and database at once. */
  async losePower(): Promise<void> {
    await this.agent.kill();
    this.killApp();
    await this.database.killHard();
  }

  /** Makes the machine hang until `wake`: agent, app and database accept connections and answer nothing. */
  async hang(): Promise<void> {
    await this.database.hang();
    for (const pid of this.#pids()) process.kill(pid, 'SIGSTOP');
  }

  async wake(): Promise<void> {
    await this.database.wake();
    for (const pid of this.#pids()) process.kill(pid, 'SIGCONT');
  }

  #pids(): number[] {
    return [this.agent.pid, this.#appPid()].filter((pid) => pid !== undefined);
  }

  /** None while the pid file is being written: 0 would be the process group of the tests. */
  #appPid(): number | undefined {
    if (!existsSync(this.#pidFile)) return undefined;
    const pid = Number(readFileSync(this.#pidFile, 'utf8'));
    return runsAs(pid, this.#pidFile) ? pid : undefined;
  }

  /** Sets faults: the agent fails once at each of these steps. */
  async inject(rules: FaultRule[]): Promise<void> {
    await rm(`${this.faultsFile}.hits`, { force: true });
    await this.#setFaults(rules);
  }

  /** Lets a step that a fault holds go on. */
  async release(): Promise<void> {
    await this.#setFaults([]);
  }

  /** Replaces the file atomically, since the agent may be reading it. */
  async #setFaults(rules: FaultRule[]): Promise<void> {
    await writeFile(`${this.faultsFile}.new`, JSON.stringify(rules));
    await rename(`${this.faultsFile}.new`, this.faultsFile);
  }

  /** The faults that have struck, in order. */
  async hits(): Promise<string[]> {
    const text = await readFile(`${this.faultsFile}.hits`, 'utf8').catch(() => '');
    return text.split('\n').filter((line) => line !== '');
  }

  get faultsFile(): string {
    return join(this.directory, 'faults.json');
  }
}

export interface Pair {
  vcl2: Machine;
  vcl3: Machine;
  /** The network between the two machines. Tests, load balancers and clients do not use it. */
  link: Link;
  remove(): Promise<void>;
}

export interface PairOptions {
  /** For both agents. */
  env?: Record<string, string>;
  vcl2?: Record<string, string>;
  vcl3?: Record<string, string>;
  /** False when the test starts the agents itself. */
  start?: boolean;
}

/** Settings with which nothing happens by itself. */
export const QUIET = {
  HOST: '127.0.0.1',
  BACKUP_CRON: '0 0 1 1 *',
  MONITOR: 'off',
  CHECK_INTERVAL: '200ms',
  CHECK_TIMEOUT: '1s',
  FAIL_THRESHOLD: '2',
  CONFIRM_CHECKS: '2',
  CONFIRM_INTERVAL: '100ms',
  FAILBACK: 'manual',
  FAILBACK_STABLE: '500ms',
  ALONE_GRACE: '1s',
  APP_START_TIMEOUT: '10s',
  DB_START_TIMEOUT: '30s',
  PREPARE: 'on-promote',
  PEER_TOKEN: TOKENS.peer,
  ADMIN_TOKEN: TOKENS.admin,
  WEBHOOK_TOKEN: TOKENS.webhook,
};

/** VCL2 and VCL3 with PostgreSQL and the ledger app; VCL2 serves, VCL3 is cold. */
export const startPair = async (options: PairOptions = {}): Promise<Pair> => {
  const directory = await mkdtemp(join(tmpdir(), 'coldspare-pair-'));
  const [agent2 = 0, agent3 = 0, app2 = 0, app3 = 0] = await freePorts(4);
  const link = await Link.between({ agent: agent2, app: app2 }, { agent: agent3, app: app3 });
  const [vcl2, vcl3] = await Promise.all([
    createMachine(
      'vcl2',
      directory,
      { agent: agent2, app: app2, peer: link.toVcl3 },
      { ...options.env, ...options.vcl2 },
    ),
    createMachine(
      'vcl3',
      directory,
      { agent: agent3, app: app3, peer: link.toVcl2 },
      { ...options.env, ...options.vcl3 },
    ),
  ]);
  await vcl2.database.psql('CREATE DATABASE ledger');
  const pair = {
    vcl2,
    vcl3,
    link,
    remove: async () => {
      await Promise.all([remove(vcl2), remove(vcl3)]);
      await link.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
  if (options.start === false) return pair;
  try {
    await Promise.all([vcl2.agent.start(), vcl3.agent.start()]);
    await serves(vcl2);
    if ((options.vcl3?.MONITOR ?? options.env?.MONITOR) === 'on') await hasSeen(vcl3);
  } catch (error) {
    await pair.remove();
    throw error;
  }
  return pair;
};

/** Waits until the machine's checks of the other one have said yes. Until then, a no of theirs counts for nothing (H39). */
const hasSeen = ({ agent, directory }: Machine): Promise<unknown> =>
  eventually(`${agent.name} has seen the other machine serve`, async () => {
    const { proven } = JSON.parse(await readFile(join(directory, 'state.json'), 'utf8'));
    return Boolean(proven?.PRIMARY_CHECK_URL);
  });

const remove = async (machine: Machine): Promise<void> => {
  await machine.agent.kill();
  machine.killWatchdogs();
  machine.killApp();
  await machine.database.remove();
};

/** Waits until the machine serves and its agent has nothing left to do. */
export const serves = (machine: Operated, timeout?: number): Promise<unknown> =>
  eventually(
    `${machine.agent.name} serves`,
    async () => {
      const { serving, operation } = await machine.agent.status();
      return serving && operation === null;
    },
    timeout,
  );

/** Waits until the machine is a standby that has nothing left to do. */
export const standsBy = (machine: Operated, timeout?: number): Promise<unknown> =>
  eventually(
    `${machine.agent.name} is a standby with nothing to do`,
    async () => {
      const { mode, operation, problems } = await machine.agent.status();
      // One that was superseded has its database to set aside, in an operation that is about to begin.
      return mode === 'standby' && operation === null && !problems.includes('standing-down');
    },
    timeout,
  );

const createMachine = async (
  name: 'vcl2' | 'vcl3',
  root: string,
  ports: { agent: number; app: number; peer: Way },
  env: Record<string, string>,
): Promise<Machine> => {
  const directory = join(root, name);
  await mkdir(directory);
  const database = await createCluster();
  const pidFile = join(directory, 'app.pid');
  const appUrl = `http://127.0.0.1:${ports.app}/`;
  const databaseUrl = `postgres://postgres@127.0.0.1:${database.port}/ledger`;
  const service = (action: string) =>
    `env PORT=${ports.app} DATABASE_URL=${databaseUrl} ${process.execPath} ${SERVICE} ${action} ${pidFile} ${LEDGER}`;
  const faultsFile = join(directory, 'faults.json');
  await writeFile(faultsFile, '[]');
  const agent = new AgentProcess(
    {
      ...QUIET,
      // No app that a test kills or breaks is started again meanwhile.
      APP_RESTART_AFTER: '10m',
      STACK: 'host',
      DB_NAME: 'ledger',
      // Without Debian's wrapper around each program, which takes longer than most questions to the database.
      ...(PROGRAMS !== undefined && { PG_BIN: PROGRAMS }),
      NODE_NAME: name,
      PORT: `${ports.agent}`,
      INITIAL_ROLE: name === 'vcl2' ? 'primary' : 'standby',
      PEER_URL: `${env.TLS_CERT === undefined ? 'http' : 'https'}://127.0.0.1:${ports.peer.agent.port}`,
      STATE_DIR: directory,
      DB_PORT: `${database.port}`,
      DB_START_COMMAND: database.startCommand,
      DB_STOP_COMMAND: database.stopCommand,
      APP_START_COMMAND: service('start'),
      APP_STOP_COMMAND: service('stop'),
      APP_HEALTH_URL: appUrl,
      PRIMARY_CHECK_URL: `http://127.0.0.1:${ports.peer.app.port}/`,
      COLDSPARE_TEST_FAULTS: faultsFile,
      ...(process.env.COLDSPARE_TEST_RUN && { COLDSPARE_TEST_RUN: process.env.COLDSPARE_TEST_RUN }),
      ...env,
    },
    join(directory, 'agent.log'),
    MAIN,
  );
  return new Machine({
    agent,
    database,
    appUrl,
    appStartCommand: service('start'),
    appStopCommand: service('stop'),
    directory,
  });
};
