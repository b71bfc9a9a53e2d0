import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { AgentProcess } from '../../scripts/lib/agent-process.js';
import { freePorts } from '../../scripts/lib/free-port.js';
import { type Agent, startAgent } from '../../src/agent/agent.js';
import type { Drivers } from '../../src/agent/create-node.js';
import { type Config, loadConfig } from '../../src/config/config.js';
import { ColdspareError } from '../../src/domain/errors.js';
import { createFileDisk } from '../../src/drivers/file-disk.js';
import { createHttpPeer } from '../../src/drivers/http-peer.js';
import { createPinoLog } from '../../src/drivers/pino-log.js';
import { createRandomIds } from '../../src/drivers/random-ids.js';
import { withRoleHooks } from '../../src/drivers/role-hooks.js';
import { createSystemClock } from '../../src/drivers/system-clock.js';
import type { Clock } from '../../src/ports/clock.js';
import type { Faults } from '../../src/ports/faults.js';
import type { ProbeResult } from '../../src/ports/probe.js';
import { FakeApp, FakeDatabase } from './fake-node.js';
import { Operated } from './operated.js';
import { eventually, type FaultRule, QUIET, serves } from './pair.js';

const NAME = 'ledger';
/** Time passes this many times faster for the agents. Their HTTP runs in real time. */
const SPEED = 10;
/** Milliseconds between two looks at the real clock. */
const TICK = 5;
/** A longer pause is one of the machine, which has other things to do. For the agents no more time than that passes. */
const LONGEST_TICK = 20;
/** An empty table that is in the database from the app's first start on. */
const TABLE = 'public.entries';
const SEED = 'SEED';
/** A file of the state or of the journal takes a thirtieth of it, and less. */
const WRITES_OF_BALLAST = 30;

/** The ledger in memory: every entry, with its number, is a "table" of one row, so that restores and counts know each. */
class LedgerApp extends FakeApp {
  /** Whether it fails to start. */
  isBroken = false;
  /** What its health URL answers in place of the truth, while it runs. */
  health: ProbeResult | undefined;
  readonly #database: FakeDatabase;

  constructor(database: FakeDatabase) {
    super();
    this.#database = database;
  }

  override async start(): Promise<void> {
    if (this.isBroken) throw new ColdspareError('app-failed', 'the app is broken', 'mend it');
    await super.start();
    const rows = this.#rows;
    // The migration of its start: an empty database is seeded.
    if (rows !== undefined && !this.#database.isFrozen && rows[TABLE] === undefined)
      Object.assign(rows, { [TABLE]: 0, [`1 ${SEED}`]: 1 });
  }

  override async check(): Promise<ProbeResult> {
    if (this.runs && this.health !== undefined) return this.health;
    if (!this.runs || this.#rows?.[TABLE] !== undefined) return super.check();
    return { outcome: 'answers', status: 503 };
  }

  get entries(): string[] | undefined {
    const rows = this.#rows;
    if (!this.runs || rows?.[TABLE] === undefined) return undefined;
    return Object.keys(rows)
      .filter((name) => name !== TABLE)
      .map((name) => name.slice(name.indexOf(' ') + 1));
  }

  /** Resolves to whether the write was acknowledged. */
  write(text: string): boolean {
    const rows = this.#rows;
    if (!this.runs || rows?.[TABLE] === undefined || this.#database.isFrozen) return false;
    rows[`${Object.keys(rows).length} ${text}`] = 1;
    return true;
  }

  get #rows(): Record<string, number> | undefined {
    return this.#database.isUp ? this.#database.databases.get(NAME)?.rows : undefined;
  }
}

const systemClock = createSystemClock();
const began = systemClock.now();

let looked = systemClock.elapsed();
let elapsed = 0;
const lookAtClock = (): number => {
  const passed = systemClock.elapsed() - looked;
  looked += passed;
  elapsed += Math.min(passed, LONGEST_TICK) * SPEED;
  return elapsed;
};
setInterval(lookAtClock, TICK).unref();

const fastClock: Clock = {
  now: () => began + lookAtClock(),
  elapsed: lookAtClock,
  sleep: (ms, signal) => systemClock.sleep(ms / SPEED, signal),
};

/** Faults in memory. Each rule strikes once. */
class MemoryFaults implements Faults {
  rules: FaultRule[] = [];
  hits: string[] = [];
  /** Ends the agent and the step that waits here. */
  onKill: () => void = () => {};
  #letGo: ((error?: Error) => void)[] = [];

  async at(label: string, moment: FaultRule['moment']): Promise<void> {
    const rule = this.rules.find((each) => each.label === label && each.moment === moment);
    if (rule === undefined) return;
    const hit = `${label} ${moment} ${rule.action}`;
    if (this.hits.includes(hit)) return;
    this.hits.push(hit);
    if (rule.action === 'fail') throw new Error(`injected: ${label} fails ${moment} it`);
    const held = new Promise<void>((resolve, reject) => {
      this.#letGo.push((error) => (error === undefined ? resolve() : reject(error)));
    });
    if (rule.action === 'kill') this.onKill();
    await held;
  }

  /** Steps that are held go on, or end with an error. */
  letGo(error?: Error): void {
    for (const letGo of this.#letGo.splice(0)) letGo(error);
  }
}

/** An agent in the tests' own process, with its real HTTP server. */
class InProcessAgent extends AgentProcess {
  readonly #env: Record<string, string>;
  readonly #faults: MemoryFaults;
  readonly #makeDrivers: (config: Config) => Drivers;
  #agent: Agent | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(
    env: Record<string, string>,
    logFile: string,
    faults: MemoryFaults,
    makeDrivers: (config: Config) => Drivers,
  ) {
    super(env, logFile);
    this.#env = env;
    this.#faults = faults;
    this.#makeDrivers = makeDrivers;
    faults.onKill = () => void this.kill();
  }

  override get isRunning(): boolean {
    return this.#agent !== undefined;
  }

  override async start(more: Record<string, string> = {}): Promise<void> {
    const config = loadConfig({ ...this.#env, ...more });
    this.#agent = await startAgent(config, this.#makeDrivers(config));
  }

  override stop(): Promise<void> {
    if (this.#agent !== undefined) this.#ended = this.#agent.stop();
    this.#agent = undefined;
    // A step that is held does not listen. Its operation is taken up at the next start.
    this.#faults.letGo(new Error('the agent has ended'));
    return this.#ended;
  }

  /**
   * Leaves a running operation for the next start, as a kill does, but ends the agent in order. Only a real kill shows
   * what happens in the middle of a write.
   */
  override kill(): Promise<void> {
    return this.stop();
  }

  override exited(): Promise<void> {
    return this.#ended;
  }
}

/** One server in memory: its agent is real, its database and app are not. */
export class InProcessMachine extends Operated {
  readonly database = new FakeDatabase();
  readonly app = new LedgerApp(this.database);
  /** What this machine gets from a URL, where that is not the other machine's app. */
  readonly answers: Map<string, ProbeResult>;
  /** Its STATE_DIR. */
  readonly directory: string;
  isDiskFull = false;
  /** Writes that a full disk still takes, because something was removed. */
  writesLeft = 0;
  readonly #faults: MemoryFaults;

  private constructor(
    agent: AgentProcess,
    directory: string,
    faults: MemoryFaults,
    answers: Map<string, ProbeResult>,
  ) {
    super(agent);
    this.answers = answers;
    this.directory = directory;
    this.#faults = faults;
  }

  /** `peerApp` is asked late: the two machines know each other. */
  static create(
    env: Record<string, string>,
    logFile: string,
    peerApp: () => LedgerApp,
    answers: Map<string, ProbeResult>,
  ): InProcessMachine {
    const faults = new MemoryFaults();
    const disk = createFileDisk();
    const agent = new InProcessAgent(env, logFile, faults, (config) => ({
      disk: {
        ...disk,
        write: async (path, text) => {
          machine.takeSpace((await disk.size(path)) !== undefined);
          return disk.write(path, text);
        },
        writer: async (path, options) => {
          machine.takeSpace();
          return disk.writer(path, options);
        },
        remove: async (path) => {
          if (path.endsWith('/ballast') && (await disk.size(path)) !== undefined)
            machine.writesLeft += WRITES_OF_BALLAST;
          return disk.remove(path);
        },
        free: async (path) => (machine.isDiskFull ? 0 : disk.free(path)),
      },
      clock: fastClock,
      ids: createRandomIds(),
      log: createPinoLog('info', config.NODE_NAME, pino.destination({ dest: logFile, sync: true })),
      faults,
      notifier: { announce() {} },
      probe: { get: async (url) => answers.get(url) ?? peerApp().check() },
      stack: withRoleHooks(
        { name: 'host', database: machine.database, app: machine.app },
        {
          commands: { primary: config.ON_PRIMARY_COMMAND, standby: config.ON_STANDBY_COMMAND },
          ...{ cwd: config.STATE_DIR, disk: createFileDisk() },
          file: join(config.STATE_DIR, 'role-hooks.json'),
        },
      ),
      connectPeer: (link) =>
        createHttpPeer({
          url: config.PEER_URL,
          token: config.PEER_TOKEN,
          node: config.NODE_NAME,
          statusTimeout: config.CHECK_TIMEOUT,
          ...link,
        }),
    }));
    const machine = new InProcessMachine(agent, env.STATE_DIR ?? '', faults, answers);
    return machine;
  }

  /** A file that is replaced needs space only until the old one is gone. @throws ColdspareError `disk-full` */
  takeSpace(isReplaced = false): void {
    if (!this.isDiskFull) return;
    if (this.writesLeft === 0)
      throw new ColdspareError('disk-full', 'the disk is full', 'free some space');
    if (!isReplaced) this.writesLeft -= 1;
  }

  async entries(): Promise<string[] | undefined> {
    return this.app.entries;
  }

  async write(text: string): Promise<boolean> {
    return this.app.write(text);
  }

  killApp(): void {
    this.app.runs = false;
  }

  async breakApp(): Promise<void> {
    this.app.isBroken = true;
    this.killApp();
  }

  async mendApp(): Promise<void> {
    this.app.isBroken = false;
  }

  async losePower(): Promise<void> {
    await this.agent.kill();
    this.killApp();
    await this.database.stop();
  }

  async clearEntries(): Promise<void> {
    const live = this.database.databases.get(NAME);
    if (live !== undefined) live.rows = { [TABLE]: 0 };
  }

  async forgetLineage(): Promise<void> {
    const live = this.database.databases.get(NAME);
    // Another database of the same rows: the one that was served gets its marker back (H44).
    if (live !== undefined) Object.assign(live, { marker: undefined, id: randomUUID() });
  }

  async databaseNames(): Promise<string[]> {
    return [NAME, ...(await this.database.others())];
  }

  async startDatabase(): Promise<void> {
    await this.database.start();
  }

  async isCold(): Promise<boolean> {
    return !(await this.database.answers());
  }

  async inject(rules: FaultRule[]): Promise<void> {
    this.#faults.hits = [];
    this.#faults.rules = rules;
  }

  async release(): Promise<void> {
    this.#faults.rules = [];
    this.#faults.letGo();
  }

  async hits(): Promise<string[]> {
    return this.#faults.hits;
  }
}

export interface InProcessPair {
  vcl2: InProcessMachine;
  vcl3: InProcessMachine;
  /** Milliseconds of the agents' clock. */
  elapsed(): number;
  remove(): Promise<void>;
}

/**
 * VCL2 and VCL3 in the tests' own process: real agents, HTTP between them, and disks; database and app in memory.
 * For what an operation does when one of its steps fails. VCL2 serves, VCL3 is cold. `answers` are what VCL3 gets from
 * URLs that do not lead to VCL2's app.
 */
export const startInProcessPair = async (
  env: Record<string, string> = {},
  answers: Record<string, ProbeResult> = {},
): Promise<InProcessPair> => {
  const directory = await mkdtemp(join(tmpdir(), 'coldspare-in-process-'));
  const [port2 = 0, port3 = 0] = await freePorts(2);
  const create = async (
    name: 'vcl2' | 'vcl3',
    port: number,
    peerPort: number,
  ): Promise<InProcessMachine> => {
    const stateDirectory = join(directory, name);
    await mkdir(stateDirectory);
    return InProcessMachine.create(
      {
        ...QUIET,
        // A tenth of it, in real time.
        CHECK_INTERVAL: '500ms',
        CHECK_TIMEOUT: '2s',
        CONFIRM_INTERVAL: '1s',
        ALONE_GRACE: '10s',
        APP_START_TIMEOUT: '30s',
        APP_RESTART_AFTER: '1s',
        // Only to pass: database and app are in memory, and the peer's app is asked without a network.
        STACK: 'host',
        APP_START_COMMAND: 'none',
        APP_STOP_COMMAND: 'none',
        APP_HEALTH_URL: 'http://app.invalid/',
        PRIMARY_CHECK_URL: 'http://peer-app.invalid/',
        DB_NAME: NAME,
        NODE_NAME: name,
        PORT: `${port}`,
        INITIAL_ROLE: name === 'vcl2' ? 'primary' : 'standby',
        PEER_URL: `http://127.0.0.1:${peerPort}`,
        STATE_DIR: stateDirectory,
        ...env,
      },
      join(stateDirectory, 'agent.log'),
      () => (name === 'vcl2' ? vcl3 : vcl2).app,
      new Map(Object.entries(name === 'vcl3' ? answers : {})),
    );
  };
  const vcl2 = await create('vcl2', port2, port3);
  const vcl3 = await create('vcl3', port3, port2);
  vcl2.database.databases.set(NAME, { rows: {}, marker: undefined });
  vcl3.database.isUp = false;
  const remove = async () => {
    await Promise.all([vcl2.agent.stop(), vcl3.agent.stop()]);
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await Promise.all([vcl2.agent.start(), vcl3.agent.start()]);
    // On a busy machine its app may answer before a boot that was too slow is repeated.
    await eventually('vcl2 has booted', () => vcl2.lastOperation('boot', 'done'));
    await serves(vcl2);
  } catch (error) {
    await remove();
    throw error;
  }
  return { vcl2, vcl3, elapsed: lookAtClock, remove };
};
