import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { layoutOf } from '../../src/drivers/embedded/layout.js';
import {
  endProcesses,
  findProcesses,
  type ProcessMark,
} from '../../src/drivers/embedded/processes.js';
import type { OperationKind, OperationRecord } from '../../src/pure/operation.js';
import { AgentProcess, eventually } from '../lib/agent-process.js';
import type { ServerAddress } from './load-balancer.js';
import { watchOperation } from './operation-events.js';

/** How much of an agent's log helps to see why the story went wrong. */
const LOG_LINES = 12;

/** One server: an agent, and the database and app processes that it starts. */
export class Machine {
  readonly agent: AgentProcess;
  readonly address: ServerAddress;
  readonly #logFile: string;
  readonly #token: string;
  readonly #app: ProcessMark;
  readonly #database: ProcessMark;
  #isRemoved = false;

  constructor(address: ServerAddress, directory: string, env: Record<string, string>) {
    this.address = address;
    this.#logFile = join(directory, 'agent.log');
    this.#token = env.ADMIN_TOKEN ?? '';
    this.agent = new AgentProcess({ ...env, STATE_DIR: directory }, this.#logFile);
    const { directory: stack } = layoutOf(join(directory, 'embedded'));
    this.#app = { program: process.execPath, argument: `--coldspare=${stack}` };
    this.#database = { program: process.execPath, argument: `--directory=${stack}` };
  }

  get name(): string {
    return this.address.name;
  }

  async start(): Promise<void> {
    // A story that was called off goes on until it notices.
    if (this.#isRemoved) throw new Error(`${this.name} was removed`);
    await this.agent.start();
  }

  /** SIGKILL to the app and nothing else. */
  async crashApp(): Promise<void> {
    killAll(await findProcesses(this.#app));
  }

  /** SIGKILL to the agent, the app and the database in one go: what a power cut does. */
  async losePower(): Promise<void> {
    const { pid } = this.agent;
    const services = await Promise.all([this.#app, this.#database].map(findProcesses));
    killAll([...(pid === undefined ? [] : [pid]), ...services.flat()]);
    await this.agent.exited();
  }

  /** Whether neither the app nor the database runs. */
  async isCold(): Promise<boolean> {
    const services = await Promise.all([this.#app, this.#database].map(findProcesses));
    return services.flat().length === 0;
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
    return log.trimEnd().split('\n').slice(-LOG_LINES).join('\n');
  }

  /** Ends every process of it; none can be started any more. */
  async remove(): Promise<void> {
    this.#isRemoved = true;
    await this.agent.kill();
    await Promise.all([endProcesses(this.#app, 0), endProcesses(this.#database, 0)]);
  }
}

const killAll = (pids: readonly number[]): void => {
  for (const pid of pids) process.kill(pid, 'SIGKILL');
};
