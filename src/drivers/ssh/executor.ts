import { constants } from 'node:os';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Client, ClientChannel } from 'ssh2';
import { ColdspareError, type ErrorCode } from '../../domain/errors.js';
import { formatDuration } from '../../domain/format.js';
import { drain, errorOf, feed, finish, tailOf } from '../program-streams.js';
import type { Executor, StartOptions } from '../run-command.js';
import { commandLine, environmentLines } from './command-line.js';
import { FramedOutput } from './framed-output.js';

/** Milliseconds. A service that a program leaves running holds its pipes open; they are read for this long after its exit. */
const LAST_OUTPUT_MS = 500;

const NOT_PERMITTED =
  /permission denied|access denied|not permitted|not allowed|authentication required|password is required|must be (super|root)/i;

/**
 * Runs programs on the other side of an SSH connection. Their environment goes through stdin, before their input. A lost
 * connection looks to them like the end of their input, so each must be able to tell whether its input was whole.
 * Throws `ssh-command-failed`, `ssh-not-permitted`, `ssh-timed-out`, `ssh-unreachable`.
 */
export const sshExecutor = (client: Client): Executor => ({
  run: async (argv, options) => {
    options.signal?.throwIfAborted();
    const { input, output, timeout, signal } = options;
    const limit = { until: performance.now() + timeout, signal };
    const program = start(client, argv, options);
    if (output === undefined) program.letGoAfterExit();
    const [end, stdout, fed, drained] = await Promise.all([
      program.ended,
      // It breaks only when the program fails.
      output === undefined ? text(program.stdout).catch(() => '') : '',
      errorOf(feed(program, input)),
      errorOf(output && drain(program, output, limit)),
    ]);
    try {
      options.signal?.throwIfAborted();
      const failure = fed ?? drained ?? failureOf(argv, end, program.stdout);
      if (failure !== undefined) throw failure;
    } catch (error) {
      // Destroyed, not ended: the reader of the other side must not take it for complete.
      output?.destroy();
      throw error;
    }
    if (output !== undefined) await finish(output, limit, () => tooLate(argv, timeout));
    return stdout;
  },

  open: (argv, options) => {
    const { stdin, stdout, ended, end } = start(client, argv, options);
    // `ended` tells when a write fails because the program is gone. An event that nobody handles would end the agent.
    stdin.on('error', () => {});
    return {
      stdin,
      stdout,
      ended: ended.then((how) => how.stderr || formatEnd(argv, how, stdout)),
      kill: () => end('was ended'),
    };
  },
});

/** How a program ended: with an exit code, or for another reason. */
interface End {
  code?: number | undefined;
  reason?: { error: ErrorCode; text: string };
  /** The end of what it printed there. */
  stderr: string;
}

/** Starts `argv`. `ended` resolves within the time-out, whatever the other side does. */
const start = (
  client: Client,
  argv: readonly string[],
  { timeout, signal, env = {}, cwd }: StartOptions,
) => {
  const variables = environmentLines(env);
  const stdin = new PassThrough();
  const stdout = new FramedOutput();
  let channel: ClientChannel | undefined;
  let stderr = () => '';
  let hasEnded = false;
  let letsGo = false;
  let settle: (end: End) => void;
  const ended = new Promise<End>((resolve) => {
    settle = resolve;
  });

  const finish = (end: Omit<End, 'stderr'>) => {
    if (hasEnded) return;
    hasEnded = true;
    clearTimeout(timer);
    client.off('close', lost);
    signal?.removeEventListener('abort', cancelled);
    if (end.code === undefined) channel?.signal('TERM');
    channel?.destroy();
    settle({ ...end, stderr: stderr() });
  };
  const fail = (error: ErrorCode, text: string) => {
    stdout.destroy();
    finish({ reason: { error, text } });
  };
  const letGo = (opened: ClientChannel, how: Omit<End, 'stderr'>) => {
    opened.unpipe(stdout);
    stdout.end();
    finish(how);
  };
  const lost = () => fail('ssh-unreachable', 'was cut: the connection is lost');
  const cancelled = () => fail('cancelled', 'was called off');
  const timer = setTimeout(() => fail('ssh-timed-out', formatTooLate(timeout)), timeout);
  client.once('close', lost);
  signal?.addEventListener('abort', cancelled, { once: true });

  stdin.write(variables);
  try {
    client.exec(commandLine(argv, Object.keys(env), stdout.token, cwd), (error, opened) => {
      if (error) return fail('ssh-not-permitted', `could not be started: ${error.message}`);
      if (hasEnded) return void opened.destroy();
      channel = opened;
      stderr = tailOf(opened.stderr).text;
      let how: Omit<End, 'stderr'> | undefined;
      opened.on('exit', (code: number | null, killer?: string) => {
        const text = `was ended by ${killer}`;
        how = code === null ? { reason: { error: 'ssh-command-failed', text } } : { code };
        if (letsGo) setTimeout(letGo, LAST_OUTPUT_MS, opened, how);
      });
      opened.on('close', () => (how === undefined ? lost() : finish(how)));
      // How the program ended tells why it took no more.
      opened.on('error', () => {});
      stdin.pipe(opened);
      opened.pipe(stdout);
    });
  } catch {
    lost();
  }
  return {
    stdin,
    stdout,
    ended,
    hasEnded: () => hasEnded,
    onEnd: (listener: () => void) => void ended.then(listener),
    kill: () => fail('ssh-command-failed', 'was ended because a stream of it broke'),
    end: (text: string) => fail('ssh-command-failed', text),
    letGoAfterExit: () => {
      letsGo = true;
    },
  };
};

const formatTooLate = (timeout: number): string => `did not end within ${formatDuration(timeout)}`;

const tooLate = ([program]: readonly string[], timeout: number): ColdspareError =>
  new ColdspareError(
    'ssh-timed-out',
    `on the other machine ${program} ${formatTooLate(timeout)}: what it sends is not taken here`,
    "look at the disk of this server's BACKUP_DIR",
    { value: program },
  );

const failureOf = (
  argv: readonly string[],
  end: End,
  frame: FramedOutput,
): ColdspareError | undefined => {
  if (frame.status === 0) return undefined;
  if (isOtherProgram(end, frame)) return notRun(argv, end, frame);
  const isForbidden = frame.status === 126 || NOT_PERMITTED.test(end.stderr);
  const code = end.reason?.error ?? (isForbidden ? 'ssh-not-permitted' : 'ssh-command-failed');
  return new ColdspareError(
    code,
    `on the other machine ${formatEnd(argv, end, frame)}${end.stderr && `: ${end.stderr}`}`,
    `run ${argv[0]} there as the user of PEER_SSH to see what it needs`,
    { value: argv[0] },
  );
};

/** What ended there is not what was to be run. */
const isOtherProgram = ({ code, reason }: End, { hasBegun }: FramedOutput): boolean =>
  !hasBegun && (code !== undefined || reason?.error === 'ssh-command-failed');

const notRun = ([program]: readonly string[], end: End, frame: FramedOutput): ColdspareError => {
  const printed = [frame.preface, end.stderr].filter(Boolean).join('; ');
  return new ColdspareError(
    'ssh-not-permitted',
    `${program} was not run on the other machine: the login runs something else, which ${end.reason?.text ?? `exited with ${end.code}`}${printed && ` and printed: ${printed}`}`,
    'give the user of PEER_SSH a shell (sh, bash or zsh), and take command="…" out of its ~/.ssh/authorized_keys',
    { value: program },
  );
};

const formatEnd = (
  [program]: readonly string[],
  { code, reason }: End,
  { status, hasBegun }: FramedOutput,
): string => {
  if (status !== undefined) return `${program} ${formatStatus(status)}`;
  const how = reason?.text ?? `exited with ${code}`;
  return `${program} ${how}${hasBegun && code !== undefined ? ', and the end of its output is missing' : ''}`;
};

/** A shell gives 128 and the signal's number for a program that a signal has ended. */
const formatStatus = (status: number): string => {
  const [signal] =
    Object.entries(constants.signals).find(([, number]) => number === status - 128) ?? [];
  return signal === undefined ? `exited with ${status}` : `was ended by ${signal}`;
};
