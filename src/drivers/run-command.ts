import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, statSync, type WriteStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import type { Readable, Writable } from 'node:stream';
import { execa, type Options, type Result } from 'execa';
import parseArgsStringToArgv from 'string-argv';
import { ColdspareError } from '../domain/errors.js';
import { formatDuration } from '../domain/format.js';
import {
  drain,
  errorOf,
  feed,
  finish,
  lastLines,
  type Program,
  tailOf,
} from './program-streams.js';

/** Milliseconds between SIGTERM and SIGKILL. */
const KILL_AFTER_MS = 5_000;

/** A user of this machine, by number. */
export interface User {
  uid: number;
  gid: number;
}

export interface CommandOptions {
  /** Milliseconds until it is ended with SIGTERM, and 5 s later with SIGKILL. */
  timeout: number;
  signal?: AbortSignal | undefined;
  /** Added to the agent's own environment. The only place for secrets. */
  env?: Record<string, string>;
  /** The working directory; default: the agent's own, or the home directory on another machine. */
  cwd?: string;
  /** Runs it as this user of this machine, which only root may ask for. */
  as?: User | undefined;
  /** Written to stdin. When the stream breaks, the program is killed before it sees an end of its input. */
  input?: string | Readable;
  /** Receives stdout at its own pace, and is ended. It is destroyed when the command fails. */
  output?: Writable;
  /**
   * A file to which stdout and stderr are appended. For programs that leave a service running: with a pipe, we would
   * wait for the service, and it would fail once the pipe is closed.
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

  const limit = { until: performance.now() + options.timeout, signal: options.signal };
  const child = start(argv, options, {
    buffer: { stdout: options.output === undefined, stderr: false },
  });
  const stderr = tailOf(child.stderr);
  const program = programOf(child);
  const [result, fed, drained] = await Promise.all([
    child,
    errorOf(feed(program, options.input)),
    errorOf(options.output && drain(program, options.output, limit)),
  ]);
  try {
    throwUnlessGood(argv, options, result, stderr.text(), fed ?? drained);
  } catch (error) {
    // Destroyed, not ended: the reader of the other side must not take it for complete.
    options.output?.destroy();
    throw error;
  }
  if (options.output !== undefined)
    await finish(options.output, limit, () => timedOut(argv, options, ''));
  return typeof result.stdout === 'string' ? result.stdout : '';
};

/** Runs programs: on this machine, on another one, or in a container. */
export interface Executor {
  /** As `runCommand`. */
  run(argv: readonly string[], options: CommandOptions): Promise<string>;
  /** As `openCommand`. */
  open(argv: readonly string[], options: StartOptions): OpenCommand;
}

/** The options of every program, whether it is run to its end or kept open. */
export type StartOptions = Pick<CommandOptions, 'timeout' | 'signal' | 'env' | 'cwd' | 'as'>;

/** A program that stays open for a dialogue over its stdin and stdout. */
export interface OpenCommand {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Resolves once it has ended, to the end of its stderr or to how it ended. Never rejects. */
  readonly ended: Promise<string>;
  /** SIGTERM now, SIGKILL 5 s later. No error when it has ended already. */
  kill(): void;
}

/** Starts `argv` for a dialogue, ended by `kill`, by the signal or after `timeout` milliseconds. */
export const openCommand = (argv: readonly string[], options: StartOptions): OpenCommand => {
  const child = start(argv, options, { stdin: 'pipe', buffer: false });
  const stderr = tailOf(child.stderr);
  // `ended` tells when a write fails because the program is gone. An event that nobody handles would end the agent.
  child.stdin?.on('error', () => {});
  return {
    stdin: present(child.stdin),
    stdout: present(child.stdout),
    ended: Promise.resolve(child).then(
      (result) => stderr.text() || `${argv[0]} ${formatEnd(result, options.cwd)}`,
    ),
    kill: () => void child.kill(),
  };
};

export const localExecutor: Executor = { run: runCommand, open: openCommand };

/**
 * Starts `argv` in a session of its own that outlives the agent, with its output to `logFile`. Resolves to its pid.
 * @throws ColdspareError `command-failed` when it cannot be started
 */
export const startDetached = async (
  argv: readonly string[],
  options: { env?: Record<string, string>; logFile: string; cwd?: string },
): Promise<number> => {
  // On a full disk it goes on without a log.
  const log = await openLog(options.logFile).catch(() => undefined);
  const output = log ?? 'ignore';
  try {
    const child = start(
      argv,
      { timeout: 0, ...options },
      {
        stdio: ['ignore', output, output],
        detached: true,
        cleanup: false,
      },
    );
    if (child.pid === undefined) {
      const result = await child;
      throw commandFailed(argv, formatEnd(result), '', result.cause);
    }
    child.unref();
    return child.pid;
  } finally {
    log?.destroy();
  }
};

/** Splits a command line as a shell would, without a shell. @throws ColdspareError `invalid-request` when it is empty */
export const splitCommand = (line: string): string[] => {
  const argv = parseArgsStringToArgv(line);
  if (argv.length === 0) {
    throw new ColdspareError(
      'invalid-request',
      'a command line is empty',
      'give the program and its arguments, such as "systemctl start postgresql"',
      { value: line },
    );
  }
  return argv;
};

const runLogged = async (
  argv: readonly string[],
  options: CommandOptions,
  file: string,
): Promise<string> => {
  const log = await openLog(file).catch(() => undefined);
  const target = log ?? 'ignore';
  try {
    const size = log === undefined ? 0 : (await stat(file)).size;
    const result = await start(argv, options, { stdio: ['ignore', target, target] });
    const isRead = result.failed && log !== undefined;
    const output = isRead ? (await readFile(file)).subarray(size).toString() : '';
    throwUnlessGood(argv, options, result, lastLines(output));
    return '';
  } finally {
    log?.destroy();
  }
};

/** The program gets the open file itself, not a pipe, so that it can go on writing when the agent has ended. */
const openLog = async (file: string): Promise<WriteStream> => {
  const log = createWriteStream(file, { flags: 'a', mode: 0o600 });
  await once(log, 'open');
  return log;
};

type Child = Pick<ChildProcess, 'pid' | 'exitCode' | 'signalCode' | 'stdin' | 'stdout' | 'once'> & {
  kill(signal: NodeJS.Signals): boolean;
};
type Outcome = Pick<
  Result,
  'failed' | 'timedOut' | 'isCanceled' | 'exitCode' | 'signal' | 'code' | 'cause'
>;

const start = (
  [program = '', ...args]: readonly string[],
  { timeout, signal, env = {}, cwd, as }: StartOptions,
  more: Options,
) => {
  const child = execa(program, args, {
    // As a shell does: compose takes the project's name from PWD, and only without it from the working directory.
    env: cwd === undefined ? env : { ...env, PWD: cwd },
    timeout,
    ...(cwd !== undefined && { cwd }),
    ...as,
    ...(signal && { cancelSignal: signal }),
    forceKillAfterDelay: KILL_AFTER_MS,
    reject: false,
    stripFinalNewline: false,
    ...more,
  });
  // A child of a killed program may hold its pipes open for hours. Do not wait for it.
  child.once('exit', () => {
    if (!child.killed) return;
    child.stdout?.destroy();
    child.stderr?.destroy();
  });
  return child;
};

const programOf = (child: Child): Program => ({
  stdin: present(child.stdin),
  stdout: present(child.stdout),
  hasEnded: () => child.pid === undefined || child.exitCode !== null || child.signalCode !== null,
  onEnd: (listener) => child.once('exit', listener).once('error', listener),
  kill: () => child.kill('SIGKILL'),
});

const throwUnlessGood = (
  argv: readonly string[],
  options: CommandOptions,
  result: Outcome,
  stderr: string,
  streamError?: unknown,
): void => {
  if (result.isCanceled) throw options.signal?.reason ?? result.cause;
  if (result.timedOut) throw timedOut(argv, options, stderr);
  if (streamError !== undefined) throw streamError;
  if (result.failed)
    throw commandFailed(argv, formatEnd(result, options.cwd), stderr, result.cause);
};

const timedOut = (argv: readonly string[], { timeout }: CommandOptions, stderr: string) =>
  new ColdspareError(
    'timed-out',
    `${argv[0]} did not end within ${formatDuration(timeout)}${stderr && `: ${stderr}`}`,
    `run ${argv[0]} by hand to see what it waits for`,
    { value: argv[0] },
  );

const commandFailed = (argv: readonly string[], end: string, stderr: string, cause: unknown) =>
  new ColdspareError(
    'command-failed',
    `${argv[0]} ${end}${stderr && `: ${stderr}`}`,
    `run ${argv[0]} by hand as the agent's user to see what it needs`,
    { value: argv[0], cause },
  );

const formatEnd = ({ exitCode, signal, code, timedOut }: Outcome, cwd?: string): string => {
  if (timedOut) return 'was ended because its time was up';
  if (exitCode !== undefined) return `exited with ${exitCode}`;
  if (signal !== undefined) return `was ended by ${signal}`;
  // The system says the same of a program and of a folder that are not there.
  const isFolderGone =
    cwd !== undefined && statSync(cwd, { throwIfNoEntry: false })?.isDirectory() !== true;
  const why = isFolderGone ? `: there is no folder ${cwd}` : '';
  return `could not be started (${code})${why}`;
};

const present = <T>(stream: T | null | undefined): T => {
  if (stream == null) throw new TypeError('the stream of this command is not a pipe');
  return stream;
};
