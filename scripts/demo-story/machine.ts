import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { OperationKind, OperationRecord } from '../../src/domain/operation.js';
import { type Layout, layoutOf } from '../embedded-stack/layout.js';
import { endProcesses, findProcesses } from '../embedded-stack/processes.js';
import { AgentProcess, eventually } from '../lib/agent-process.js';
import type { ServerAddress } from './load-balancer.js';
import { watchOperation } from './operation-events.js';

/** The agent that has STACK=embedded. */
const PROGRAM = fileURLToPath(new URL('../embedded-stack/main.js', import.meta.url));

/** How many lines of an agent's log are shown when the story fails. */
const LOG_LINES = 8;
const LOG_COLUMNS = 400;

/** One server: an agent, and the database and app processes that it starts. */
export class Machine {
  readonly agent: AgentProcess;
  readonly address: ServerAddress;
  readonly #logFile: string;
  readonly #token: string;
  readonly #stack: Layout;
  #isRemoved = false;

  constructor(address: ServerAddress, directory: string, env: Record<string, string>) {
    this.address = address;
    this.#logFile = join(directory, 'agent.log');
    this.#token = env.ADMIN_TOKEN ?? '';
    this.agent = new AgentProcess({ ...env, STATE_DIR: directory }, this.#logFile, PROGRAM);
    this.#stack = layoutOf(join(directory, 'embedded'));
  }

  get name(): string {
    return this.address.name;
  }

  async start(): Promise<void> {
    // After a cleanup the story may go on for a moment.
    if (this.#isRemoved) throw new Error(`${this.name} was removed`);
    await this.agent.start();
  }

  /** Copies the empty database cluster of `other`: a real server has its PostgreSQL long before it is needed. */
  async installLike(other: Machine): Promise<void> {
    await cp(other.#stack.template, this.#stack.template, { recursive: true });
  }

  /** SIGKILL to the app and nothing else. */
  async crashApp(): Promise<void> {
    killAll(await this.#running(this.#stack.marks.app));
  }

  /** SIGKILL to the agent, the app and the database in one go: what a power cut does. */
  async losePower(): Promise<void> {
    const { pid } = this.agent;
    const { app, database } = this.#stack.marks;
    const services = await Promise.all([app, database].map((mark) => this.#running(mark)));
    killAll([...(pid === undefined ? [] : [pid]), ...services.flat()]);
    await this.agent.exited();
  }

  /** Whether neither the app nor the database runs. */
  async isCold(): Promise<boolean> {
    const { app, database } = this.#stack.marks;
    const services = await Promise.all([app, database].map(findProcesses));
    return services.flat().length === 0;
  }

  /** Pauses automatic failover and failback, for ten minutes at most. */
  async pause(reason: string): Promise<void> {
    await this.agent.post('/pause', { minutes: 10, reason });
  }

  async endPause(): Promise<void> {
    await this.agent.call('DELETE', '/pause', { token: this.#token });
  }

  /** The newest operation of this kind that began at `since` or later, as soon as there is one. */
  operation(kind: OperationKind, since: number): Promise<OperationRecord> {
    const isMeant = (record: OperationRecord) =>
      record.kind === kind && Date.parse(record.startedAt) >= since;
    return eventually(
      `${this.name} begins a ${kind}`,
      async () => (await this.agent.operations()).find(isMeant),
      60_000,
    );
  }

  /** Resolves once there is an operation of this id. */
  async begins(id: string): Promise<void> {
    const isThere = async () => (await this.agent.operations()).some((record) => record.id === id);
    await eventually(`${this.name} begins ${id}`, isThere, 60_000);
  }

  /** The operation at every change until it has ended, as it happens. */
  watch(id: string): AsyncGenerator<OperationRecord> {
    return watchOperation(this.agent.url, this.#token, id);
  }

  async logTail(): Promise<string> {
    const log = await readFile(this.#logFile, 'utf8').catch(() => '');
    const lines = log.trimEnd().split('\n').slice(-LOG_LINES);
    return lines.map((line) => line.slice(0, LOG_COLUMNS)).join('\n');
  }

  /** Ends all its processes and lets none start again. */
  async remove(): Promise<void> {
    this.#isRemoved = true;
    await this.agent.kill();
    const marks = Object.values(this.#stack.marks);
    await Promise.all(marks.map((mark) => endProcesses(mark, 0)));
  }

  /** @throws when there is none, so that nothing is killed or counted under a wrong mark */
  async #running(mark: string): Promise<number[]> {
    const pids = await findProcesses(mark);
    if (pids.length === 0) throw new Error(`${this.name} has no process ${mark}`);
    return pids;
  }
}

const killAll = (pids: readonly number[]): void => {
  for (const pid of pids) process.kill(pid, 'SIGKILL');
};
