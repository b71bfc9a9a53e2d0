import { createNode, type Drivers } from '../../src/agent/create-node.js';
import { backUpIfPrimary } from '../../src/background/backups.js';
import { drillIfStandby } from '../../src/background/drills.js';
import { startChecks } from '../../src/background/schedules.js';
import { hasEnded } from '../../src/domain/operation.js';
import { recover } from '../../src/operations/boot/recover.js';
import type { Node } from '../../src/operations/node.js';
import type { ProbeResult } from '../../src/ports/probe.js';
import { isServing } from '../../src/serve/serving.js';
import { createApp } from './app.js';
import { createDatabase, DATABASE_NAME, newContents } from './database.js';
import { createDisk } from './disk.js';
import { Life } from './life.js';
import { Machine } from './machine.js';
import { Network, type Site } from './network.js';
import { type Options, WITNESS, WRONG_APP } from './options.js';
import { Oracle } from './oracle.js';
import { createPeer } from './peer.js';
import type { Random } from './random.js';
import { type StepFault, strike } from './step-faults.js';
import { Timeline } from './timeline.js';

/** When the world began, in milliseconds since 1970: what a clock that is right says then. */
const BEGINNING = Date.UTC(2026, 10, 22, 22, 0, 0);

/** Two servers, the links between them and to the outside, and everything that is known about them. */
export class World {
  readonly timeline = new Timeline();
  readonly random: Random;
  readonly options: Options;
  readonly vcl2: Machine;
  readonly vcl3: Machine;
  readonly network: Network;
  readonly oracle: Oracle;
  /** Struck the next time that any agent comes to such a step. */
  readonly stepFaults: StepFault[] = [];
  /** Step labels that an agent was cut at, with how often. */
  readonly cuts = new Map<string, number>();
  readonly faults = new Map<string, number>();
  readonly #trace: ((line: string) => void) | undefined;

  constructor(random: Random, options: Options, trace?: (line: string) => void) {
    this.random = random;
    this.options = options;
    this.#trace = trace;
    this.vcl2 = new Machine('vcl2', this.timeline, random);
    this.vcl3 = new Machine('vcl3', this.timeline, random);
    // The production data of a primary that never heard of us; a standby that may have been started once.
    this.vcl2.server.databases.set(DATABASE_NAME, newContents([1, 2, 3, 4, 5]));
    if (random.chance(0.5)) this.vcl3.server.databases.set(DATABASE_NAME, newContents());
    this.network = new Network(
      this.timeline,
      random,
      (site) => site === 'outside' || this[site].isUp,
    );
    this.oracle = new Oracle(this.timeline, this.network, this.machines, this.vcl2);
  }

  get machines(): readonly [Machine, Machine] {
    return [this.vcl2, this.vcl3];
  }

  peerOf(machine: Machine): Machine {
    return machine === this.vcl2 ? this.vcl3 : this.vcl2;
  }

  /** A line of the story, when somebody wants to read it. */
  tell(who: string, what: () => string): void {
    this.#trace?.(
      `${(this.timeline.now / 1_000).toFixed(3).padStart(9)} ${who.padEnd(7)} ${what()}`,
    );
  }

  /** Counts a fault and tells of it. */
  fault(kind: string, who = 'world', detail = ''): void {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1);
    this.tell(who, () => `FAULT ${kind} ${detail}`);
  }

  /** Starts the agent as src/agent/agent.ts does. */
  startAgent(machine: Machine): void {
    if (!machine.isUp || machine.agent !== undefined) return;
    const life = new Life(this.timeline, this.random);
    const { now } = this.timeline;
    const run = { life, node: undefined, isListening: false, startedAt: now } as NonNullable<
      Machine['agent']
    >;
    machine.agent = run;
    this.tell(machine.name, () => 'the agent starts');
    const start = async () => {
      const config = this.options.configs[machine.name];
      const node = await createNode(config, this.#drivers(machine, life));
      run.node = node;
      node.runner.onEnd((record) => {
        if (!life.hasEnded && hasEnded(record)) this.oracle.ended(machine, record);
      });
      await recover(node);
      run.isListening = true;
      startChecks(node);
      this.#tick(machine, life, this.options.backupInterval, backUpIfPrimary);
      this.#tick(machine, life, this.options.drillInterval, drillIfStandby);
    };
    start().catch((error: unknown) => {
      this.tell(machine.name, () => `the agent cannot start: ${String(error)}`);
      if (life.hasEnded) return;
      if (!machine.disk.isFull)
        this.oracle.violate(6, `the agent of ${machine.name} cannot start: ${String(error)}`);
      machine.killAgent();
      this.timeline.after(5_000, () => this.startAgent(machine));
    });
  }

  /** The machine that a load balancer sends requests to, which asks the agents over its own links. */
  serving(): Machine | undefined {
    return this.machines.find(
      (machine) =>
        machine.node !== undefined &&
        this.network.isOpenBothWays('outside', machine.name) &&
        isServing(machine.node),
    );
  }

  /** One of the crons. */
  #tick(machine: Machine, life: Life, interval: number, task: (node: Node) => Promise<void>): void {
    const tick = () => {
      if (life.hasEnded || machine.agent?.node === undefined) return;
      task(machine.agent.node).catch((error: unknown) =>
        this.tell(machine.name, () => `the cron comes to nothing: ${String(error)}`),
      );
      this.timeline.after(interval, tick);
    };
    this.timeline.after(this.random.between(1_000, interval), tick);
  }

  #drivers(machine: Machine, life: Life): Drivers {
    const { timeline, random, network, oracle } = this;
    const { health } = machine;
    const peer = this.peerOf(machine);
    const log = (level: string) => (data: object, message: string) => {
      if (life.hasEnded) return;
      this.tell(machine.name, () => `${level} ${message} ${sayData(data)}`);
    };
    return {
      disk: createDisk(machine.disk, life, random, {
        written: (path, text) => oracle.wroteFile(machine, path, text),
        removing: (path) => oracle.removingFile(machine, path),
      }),
      clock: {
        now: () => BEGINNING + Math.floor(timeline.now) + machine.clockError,
        elapsed: () => timeline.now,
        uptime: () => ({ boot: `${machine.boots}`, elapsed: timeline.now }),
        sleep: (ms, signal) => life.pause(ms, signal),
      },
      ids: { random: () => random.hex(32) },
      log: { info: log('info '), warn: log('warn '), error: log('error') },
      faults: { at: (label, moment) => this.#atStep(machine, life, label, moment) },
      notifier: {
        announce: (announcement) => {
          if (life.hasEnded) return;
          oracle.announced(machine, announcement);
          this.tell(machine.name, () => `SAYS  ${announcement.event}: ${announcement.message}`);
        },
      },
      probe: { get: (url, timeout) => this.#probe(machine, life, url, timeout) },
      stack: {
        name: 'embedded',
        database: createDatabase(machine.server, health, life, random, {
          dumped: (content) => oracle.dumped(machine, content),
          restored: (content, manifest, rows) => oracle.restored(machine, content, manifest, rows),
          drilled: (content, manifest) => oracle.backups.restored(machine, content, manifest),
          swapping: (marker) => oracle.swapping(machine, marker),
          settingAside: () => oracle.settingAside(machine),
          dropping: (name) => oracle.dropping(machine, name),
        }),
        app: createApp(machine.app, health, life, random, () => oracle.startingApp(machine)),
      },
      connectPeer: createPeer({
        ...{ timeline, random, network, life },
        from: machine.name,
        to: peer.name,
        find: () =>
          peer.agent?.isListening && peer.agent.node !== undefined
            ? { life: peer.agent.life, node: peer.agent.node }
            : undefined,
        statusTimeout: this.options.configs[machine.name].CHECK_TIMEOUT,
      }),
    };
  }

  async #atStep(
    machine: Machine,
    life: Life,
    label: string,
    moment: StepFault['moment'],
  ): Promise<void> {
    if (life.hasEnded) return life.pause(0);
    this.tell(machine.name, () => `      ${moment} ${label}`);
    const operation = machine.agent?.node?.runner.current?.id;
    if (operation !== undefined) {
      if (moment === 'before') this.oracle.reached(machine, operation, label);
      if (moment === 'after') this.oracle.passed(machine, operation, label);
    }
    const index = this.stepFaults.findIndex((f) => f.label === label && f.moment === moment);
    const [fault] = index < 0 ? [] : this.stepFaults.splice(index, 1);
    if (fault === undefined) return;
    this.fault(`${fault.action} at a step`, machine.name, `${moment} ${label}`);
    strike(this, machine, fault);
    if (!life.hasEnded) return;
    this.cuts.set(label, (this.cuts.get(label) ?? 0) + 1);
    return life.pause(0);
  }

  async #probe(machine: Machine, life: Life, url: string, timeout: number): Promise<ProbeResult> {
    const { network } = this;
    const target: Site = url === WITNESS ? 'outside' : this.peerOf(machine).name;
    const gotThrough = network.passes(machine.name, target) && network.passes(target, machine.name);
    await life.pause(gotThrough ? 2 * network.latency() : timeout);
    if (!gotThrough || !network.isOpenBothWays(machine.name, target))
      return { outcome: 'silent', detail: 'no connection' };
    if (url === WRONG_APP) return { outcome: 'refuses', detail: 'ECONNREFUSED' };
    if (target !== 'outside') return this[target].app.answer();
    const server = this.serving();
    return server === undefined ? { outcome: 'answers', status: 503 } : server.app.answer();
  }
}

const sayData = (data: object): string =>
  JSON.stringify(data, (_key, value) =>
    value instanceof Error ? `${value.name}: ${value.message}` : value,
  );
