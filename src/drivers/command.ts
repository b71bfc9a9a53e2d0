import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { execa, type Options, type Result } from 'execa';
import parseArgsStringToArgv from 'string-argv';
import { ColdspareError } from '../domain/errors.js';
import { formatDuration } from '../domain/format.js';

/** Between the polite signal and the one that cannot be ignored. */
const KILL_AFTER_MS = 5_000;
const TAIL_CHARACTERS = 4_000;
const TAIL_LINES = 6;

export interface CommandOptions {
  /** Milliseconds until it is ended with SIGTERM, and 5 s later with SIGKILL. */
  timeout: number;
  signal?: AbortSignal | undefined;
  /** Added to the agent's own environment. The only place for secrets. */
  env?: Record<string, string>;
  /** The directory it runs in; default: the agent's own, or the home directory on another machine. */
  cwd?: string;
  /** Fed to stdin. When a stream breaks, the program is killed before it could take the end for a good one. */
  input?: string | Readable;
  /** Takes stdout, at its own pace, and is ended. */
  output?: Writable;
  /**
   * File that both outputs are appended to. For programs that leave a service running: it would hold a pipe
   * of ours open, and break when that pipe is closed.
   */
  log?: string;
}

/**
 * Runs `argv` to its end. Resolves to its stdout, which is empty when `output` or `log` took it.
 * @throws ColdspareError `command-failed`, `timed-out`, the signal's reason, or the error of a broken stream
 */
export const runCommand = async (
  argv: readonly string[],
  options: CommandOptions,
): Promise<string> => {
  options.signal?.throwIfAborted();
  if (options.log !== undefined) return runLogged(argv, options, options.log);

  const child = start(argv, options, {
    stdin: options.input === undefined ? 'ignore' : 'pipe',
    buffer: { stdout: options.output === undefined, stderr: false },
  });
  const stderr = tailOf(child.stderr);
  const [result, fed, drained] = await Promise.all([
    child,
    options.input === undefined ? undefined : errorOf(feed(options.input, child)),
    options.output === undefined ? undefined : errorOf(drain(child, options.output)),
  ]);
  try {
    reportEnd(argv, options, result, stderr.text(), fed ?? drained);
  } catch (error) {
    // Torn, not ended: whoever reads the other side must not take it for complete.
    options.output?.destroy();
    throw error;
  }
  if (options.output !== undefined) await finish(options.output);
  return typeof result.stdout === 'string' ? result.stdout : '';
};

/** Where programs run: on this machine, or on another one. */
export interface Executor {
  /** As `runCommand`. */
  run(argv: readonly string[], options: CommandOptions): Promise<string>;
  /** As `openCommand`. */
  open(argv: readonly string[], options: StartOptions): OpenCommand;
}

/** What every program can be given, whether it is run to its end or kept open. */
export type StartOptions = Pick<CommandOptions, 'timeout' | 'signal' | 'env' | 'cwd'>;

/** A program that stays open for a dialogue over its stdin and stdout. */
export interface OpenCommand {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Resolves to its last words on stderr once it is gone, for whatever reason. Never rejects. */
  readonly ended: Promise<string>;
  /** SIGTERM now, SIGKILL 5 s later. No error when it is gone already. */
  kill(): void;
}

/** Starts `argv` for a dialogue, ended by `kill`, by the signal or after `timeout` milliseconds. */
export const openCommand = (argv: readonly string[], options: StartOptions): OpenCommand => {
  const child = start(argv, options, { stdin: 'pipe', buffer: false });
  const stderr = tailOf(child.stderr);
  // Writing to a program that is gone shows in `ended`; as an unhandled event it would end the agent.
  child.stdin?.on('error', () => {});
  return {
    stdin: present(child.stdin),
    stdout: present(child.stdout),
    ended: Promise.resolve(child).then((result) => stderr.text() || `${argv[0]} ${endOf(result)}`),
    kill: () => void child.kill(),
  };
};

export const localExecutor: Executor = { run: runCommand, open: openCommand };

/**
 * Starts `argv` in a session of its own that outlives the agent, with stdio to `logFile`. Resolves to its pid.
 * @throws ColdspareError `command-failed` when it cannot be started
 */
export const startDetached = async (
  argv: readonly string[],
  options: { env?: Record<string, string>; logFile: string; cwd?: string },
): Promise<number> => {
  const log = await openLog(options.logFile);
  try {
    const child = start(
      argv,
      { timeout: 0, ...options },
      {
        stdio: ['ignore', log, log],
        detached: true,
        cleanup: false,
      },
    );
    if (child.pid === undefined) {
      const result = await child;
      throw commandFailed(argv, endOf(result), '', result.cause);
    }
    child.unref();
    return child.pid;
  } finally {
    log.destroy();
  }
};

/** The words of a command line, split as a shell would, without a shell. @throws ColdspareError `invalid-request` when there are none */
export const splitCommand = (line: string): string[] => {
  const words = parseArgsStringToArgv(line);
  if (words.length === 0) {
    throw new ColdspareError(
      'invalid-request',
      'a command line is empty',
      'give the program and its arguments, such as "systemctl start postgresql"',
      { value: line },
    );
  }
  return words;
};

const runLogged = async (
  argv: readonly string[],
  options: CommandOptions,
  file: string,
): Promise<string> => {
  const log = await openLog(file);
  try {
    const { size } = await stat(file);
    const result = await start(argv, options, { stdio: ['ignore', log, log] });
    const said = result.failed ? (await readFile(file)).subarray(size).toString() : '';
    reportEnd(argv, options, result, lastLines(said.slice(-TAIL_CHARACTERS)));
    return '';
  } finally {
    log.destroy();
  }
};

/** The program gets the open file itself, not a pipe, so it may go on writing when we are gone. */
const openLog = async (file: string): Promise<WriteStream> => {
  const log = createWriteStream(file, { flags: 'a', mode: 0o600 });
  await once(log, 'open');
  return log;
};

type Child = Pick<ChildProcess, 'pid' | 'exitCode' | 'signalCode' | 'stdin' | 'stdout' | 'once'> & {
  kill(signal?: NodeJS.Signals): boolean;
};
type Outcome = Pick<
  Result,
  'failed' | 'timedOut' | 'isCanceled' | 'exitCode' | 'signal' | 'code' | 'cause'
>;

const start = (
  [program = '', ...args]: readonly string[],
  { timeout, signal, env = {}, cwd }: StartOptions,
  more: Options,
) => {
  const child = execa(program, args, {
    // As a shell does: compose believes PWD, for the project's name and in its files, before it asks where it is.
    env: cwd === undefined ? env : { ...env, PWD: cwd },
    timeout,
    ...(cwd !== undefined && { cwd }),
    ...(signal && { cancelSignal: signal }),
    forceKillAfterDelay: KILL_AFTER_MS,
    reject: false,
    stripFinalNewline: false,
    ...more,
  });
  // What a killed program has started may hold its pipes open for hours; nobody waits for that.
  child.once('exit', () => {
    if (!child.killed) return;
    child.stdout?.destroy();
    child.stderr?.destroy();
  });
  return child;
};

const hasEnded = (child: Child): boolean =>
  child.pid === undefined || child.exitCode !== null || child.signalCode !== null;

/** Resolves once stdin has taken everything or the program is gone. @throws the error of a broken source */
const feed = async (input: string | Readable, child: Child): Promise<void> => {
  const stdin = present(child.stdin);
  // Writing to a program that is gone shows in how it ended.
  stdin.on('error', () => {});
  if (typeof input === 'string') {
    stdin.end(input);
    return;
  }
  child.once('exit', () => input.destroy());
  child.once('error', () => input.destroy());
  // `pipe` ends stdin at a good end only, so a broken source never looks like a complete one.
  input.pipe(stdin);
  try {
    await finished(input, { writable: false });
  } catch (error) {
    if (hasEnded(child)) return;
    child.kill('SIGKILL');
    throw error;
  }
};

/** Resolves once `output` has taken everything; does not end it. @throws the error of a broken sink */
const drain = async (child: Child, output: Writable): Promise<void> => {
  const stdout = present(child.stdout);
  stdout.pipe(output, { end: false });
  try {
    await Promise.race([
      finished(stdout, { writable: false }),
      finished(output, { readable: false }),
    ]);
  } catch (error) {
    if (hasEnded(child)) return;
    child.kill('SIGKILL');
    throw error;
  }
};

const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

const finish = async (output: Writable): Promise<void> => {
  output.end();
  await finished(output, { readable: false });
};

const reportEnd = (
  argv: readonly string[],
  options: CommandOptions,
  result: Outcome,
  said: string,
  broken?: unknown,
): void => {
  if (result.isCanceled) throw options.signal?.reason ?? result.cause;
  if (result.timedOut) {
    throw new ColdspareError(
      'timed-out',
      `${argv[0]} did not end within ${formatDuration(options.timeout)}${said && `: ${said}`}`,
      `run ${argv[0]} by hand to see what it waits for`,
      { value: argv[0] },
    );
  }
  if (broken !== undefined) throw broken;
  if (result.failed) throw commandFailed(argv, endOf(result), said, result.cause);
};

const commandFailed = (argv: readonly string[], end: string, said: string, cause: unknown) =>
  new ColdspareError(
    'command-failed',
    `${argv[0]} ${end}${said && `: ${said}`}`,
    `run ${argv[0]} by hand as the agent's user to see what it needs`,
    { value: argv[0], cause },
  );

const endOf = ({ exitCode, signal, code, timedOut }: Outcome): string => {
  if (timedOut) return 'was ended because its time was up';
  if (exitCode !== undefined) return `exited with ${exitCode}`;
  return signal === undefined ? `could not be started (${code})` : `was ended by ${signal}`;
};

/** Remembers the end of what a stream said, however much that was. */
export const tailOf = (stream: Readable | null | undefined): { text(): string } => {
  let tail = '';
  stream?.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-TAIL_CHARACTERS);
  });
  return { text: () => lastLines(tail) };
};

const lastLines = (text: string): string =>
  text.trim().split('\n').slice(-TAIL_LINES).join('\n').trim();

const present = <T>(stream: T | null | undefined): T => {
  if (stream == null) throw new TypeError('the stream of this command is not a pipe');
  return stream;
};
