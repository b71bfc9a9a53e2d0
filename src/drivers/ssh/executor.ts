import { PassThrough, type Readable, type Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { finished } from 'node:stream/promises';
import type { Client, ClientChannel } from 'ssh2';
import { ColdspareError, type ErrorCode } from '../../domain/errors.js';
import { formatDuration } from '../../domain/format.js';
import { type CommandOptions, type Executor, type StartOptions, tailOf } from '../command.js';
import { commandLine, environmentLines } from './command-line.js';

/** What a program leaves running keeps its pipes open. Milliseconds to wait for them once it has ended itself. */
const LAST_WORDS_MS = 500;

const NOT_PERMITTED =
  /permission denied|access denied|not permitted|not allowed|authentication required|password is required|must be (super|root)/i;

/**
 * Programs on the other side of an SSH connection. What they are given by environment goes through stdin, before
 * their input. A connection that is lost looks to them like the end of the input, so they have to know by themselves
 * whether it was whole. Throws `ssh-command-failed`, `ssh-not-permitted`, `ssh-timed-out`, `ssh-unreachable`.
 */
export const sshExecutor = (client: Client): Executor => ({
  run: async (argv, options) => {
    options.signal?.throwIfAborted();
    const program = start(client, argv, options);
    const { input, output } = options;
    const unfed = feed(input, program);
    if (output === undefined) program.letGoAfterExit();
    let said = '';
    const taking = output
      ? drain(program.stdout, output)
      : text(program.stdout).then((all) => {
          said = all;
        });
    const broken = taking.then(
      () => undefined,
      (error: unknown) => {
        program.end('was ended because its output could not be taken');
        return error;
      },
    );
    const end = await program.ended;
    if (typeof input === 'object') input.destroy();
    try {
      options.signal?.throwIfAborted();
      const failure = output?.errored ?? unfed() ?? failureOf(argv, end) ?? (await broken);
      if (failure !== undefined) throw failure;
      if (output !== undefined) {
        output.end();
        await finished(output, { readable: false });
      }
      return said;
    } catch (error) {
      // Torn, not ended: whoever reads the other side must not take it for complete.
      output?.destroy();
      throw error;
    }
  },

  open: (argv, options) => {
    const { stdin, stdout, ended, end } = start(client, argv, options);
    return {
      stdin,
      stdout,
      ended: ended.then((how) => how.said || sayEnd(argv, how)),
      kill: () => end('was ended'),
    };
  },
});

/** How a program ended: by itself with `code`, or for another reason. */
interface End {
  code?: number | undefined;
  reason?: { error: ErrorCode; text: string };
  /** Its last words. */
  said: string;
}

/** Starts `argv`. Whatever the other side does, `ended` resolves within the time-out. */
const start = (
  client: Client,
  argv: readonly string[],
  { timeout, signal, env = {}, cwd }: StartOptions,
) => {
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  let channel: ClientChannel | undefined;
  let words = () => '';
  let isOver = false;
  let letsGo = false;
  let settle: (end: End) => void;
  const ended = new Promise<End>((resolve) => {
    settle = resolve;
  });

  const finish = (end: Omit<End, 'said'>) => {
    if (isOver) return;
    isOver = true;
    clearTimeout(impatience);
    client.off('close', lost);
    signal?.removeEventListener('abort', cancelled);
    if (end.code === undefined) channel?.signal('TERM');
    channel?.destroy();
    settle({ ...end, said: words() });
  };
  const fail = (error: ErrorCode, text: string) => {
    stdout.destroy();
    finish({ reason: { error, text } });
  };
  const letGo = (opened: ClientChannel, how: Omit<End, 'said'>) => {
    opened.unpipe(stdout);
    stdout.end();
    finish(how);
  };
  const lost = () => fail('ssh-unreachable', 'was cut: the connection is lost');
  const cancelled = () => fail('cancelled', 'was called off');
  const impatience = setTimeout(
    () => fail('ssh-timed-out', `did not end within ${formatDuration(timeout)}`),
    timeout,
  );
  client.once('close', lost);
  signal?.addEventListener('abort', cancelled, { once: true });

  stdin.write(environmentLines(env));
  try {
    client.exec(commandLine(argv, Object.keys(env), cwd), (error, opened) => {
      if (error) return fail('ssh-not-permitted', `could not be started: ${error.message}`);
      if (isOver) return void opened.destroy();
      channel = opened;
      words = tailOf(opened.stderr).text;
      let how: Omit<End, 'said'> | undefined;
      opened.on('exit', (code: number | null, killer?: string) => {
        const text = `was ended by ${killer}`;
        how = code === null ? { reason: { error: 'ssh-command-failed', text } } : { code };
        if (letsGo) setTimeout(letGo, LAST_WORDS_MS, opened, how);
      });
      opened.on('close', () => (how === undefined ? lost() : finish(how)));
      // Writing to a program that is gone shows in how it ended.
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
    end: (text: string) => fail('ssh-command-failed', text),
    letGoAfterExit: () => {
      letsGo = true;
    },
  };
};

/** Writes `input` to the program, and ends the program when the source breaks. Returns why it broke, if it did. */
const feed = (
  input: CommandOptions['input'],
  { stdin, end }: Pick<ReturnType<typeof start>, 'stdin' | 'end'>,
): (() => unknown) => {
  if (typeof input !== 'object') {
    stdin.end(input);
    return () => undefined;
  }
  let error: unknown;
  input.once('error', (thrown) => {
    error = thrown;
    end('was ended because its input broke');
  });
  input.pipe(stdin);
  return () => error;
};

/** Resolves once `output` has taken everything; does not end it. @throws the error of a broken sink */
const drain = async (stdout: Readable, output: Writable): Promise<void> => {
  stdout.pipe(output, { end: false });
  await Promise.race([
    finished(stdout, { writable: false }),
    finished(output, { readable: false }),
  ]);
};

const failureOf = (argv: readonly string[], end: End): ColdspareError | undefined => {
  if (end.code === 0) return undefined;
  const isForbidden = end.code === 126 || NOT_PERMITTED.test(end.said);
  const code = end.reason?.error ?? (isForbidden ? 'ssh-not-permitted' : 'ssh-command-failed');
  return new ColdspareError(
    code,
    `on the other machine ${sayEnd(argv, end)}${end.said && `: ${end.said}`}`,
    `run ${argv[0]} there as the user of PEER_SSH to see what it needs`,
    { value: argv[0] },
  );
};

const sayEnd = ([program]: readonly string[], { code, reason }: End): string =>
  `${program} ${reason?.text ?? `exited with ${code}`}`;
