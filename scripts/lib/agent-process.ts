import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { OperationRecord } from '../../src/domain/operation.js';
import type { NodeStatus } from '../../src/domain/status.js';

const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url));

export interface Tokens {
  peer: string;
  admin: string;
  webhook: string;
}

export interface Answer<T = unknown> {
  status: number;
  headers: Headers;
  body: T;
}

/** A real agent in its own process, configured by its environment and used over HTTP. */
export class AgentProcess {
  readonly url: string;
  readonly name: string;
  readonly stateDirectory: string;
  readonly #env: Record<string, string>;
  readonly #logFile: string;
  /** The program that `start` runs. */
  main: string;
  #child: ChildProcess | undefined;

  constructor(env: Record<string, string>, logFile: string, main = MAIN) {
    this.#env = env;
    this.#logFile = logFile;
    this.main = main;
    this.name = env.NODE_NAME ?? '';
    this.stateDirectory = env.STATE_DIR ?? '/';
    this.url = `${env.TLS_CERT === undefined ? 'http' : 'https'}://127.0.0.1:${env.PORT}`;
  }

  /** Another agent with the same environment and `more`, as a second unit on the same machine would start it. */
  twin(more: Record<string, string>, logFile: string): AgentProcess {
    return new AgentProcess({ ...this.#env, ...more }, logFile, this.main);
  }

  get isRunning(): boolean {
    return (
      this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
    );
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts it and returns once it listens. @throws when it exits instead */
  async start(more: Record<string, string> = {}): Promise<void> {
    const log = openSync(this.#logFile, 'a', 0o600);
    this.#child = spawn(process.execPath, [this.main], {
      env: {
        PATH: process.env.PATH ?? '',
        TMPDIR: process.env.TMPDIR ?? '/tmp',
        ...this.#env,
        ...more,
      },
      cwd: this.stateDirectory,
      stdio: ['ignore', log, log],
    });
    for (;;) {
      if (!this.isRunning) throw new Error(`${this.name} did not start: see ${this.#logFile}`);
      if (
        await this.get('/health').then(
          () => true,
          () => false,
        )
      )
        return;
      await pause(50);
    }
  }

  /** SIGTERM, and waits until it is gone. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /** SIGKILL, as in a power cut. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Resolves once it has ended by itself. */
  async exited(): Promise<void> {
    if (this.#child !== undefined && this.isRunning) await once(this.#child, 'exit');
  }

  get<T = unknown>(path: string, token?: string): Promise<Answer<T>> {
    return this.call<T>('GET', path, token === undefined ? {} : { token });
  }

  post<T = unknown>(
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> {
    return this.call<T>('POST', path, { token: this.#env.ADMIN_TOKEN ?? '', body, headers });
  }

  async call<T = unknown>(
    method: string,
    path: string,
    {
      token,
      body,
      headers = {},
    }: { token?: string; body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Answer<T>> {
    const response = await fetch(this.url + path, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') ?? false;
    return {
      status: response.status,
      headers: response.headers,
      body: (isJson ? JSON.parse(text) : text) as T,
    };
  }

  async status(): Promise<NodeStatus> {
    const { body } = await this.get<NodeStatus>('/status', this.#env.ADMIN_TOKEN);
    return body;
  }

  async operation(id: string): Promise<OperationRecord> {
    const { body } = await this.get<OperationRecord>(`/operations/${id}`, this.#env.ADMIN_TOKEN);
    return body;
  }

  async operations(): Promise<OperationRecord[]> {
    const { body } = await this.get<{ operations: OperationRecord[] }>(
      '/operations',
      this.#env.ADMIN_TOKEN,
    );
    return body.operations;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child === undefined || !this.isRunning) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill(signal);
    await exited;
  }
}

/** Repeats `ask` until it resolves to neither undefined nor false. @throws after `timeout` milliseconds, naming `what` */
export const eventually = async <T>(
  what: string,
  ask: () => Promise<T | undefined | false>,
  timeout = 60_000,
): Promise<T> => {
  const deadline = performance.now() + timeout;
  for (;;) {
    const answer = await ask().catch(() => undefined);
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeout} ms`);
    await pause(50);
  }
};
