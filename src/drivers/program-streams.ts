import type { Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';

const TAIL_CHARACTERS = 4_000;
const TAIL_LINES = 6;

/** A program that was started, here or on another machine. */
export interface Program {
  stdin: Writable;
  stdout: Readable;
  hasEnded(): boolean;
  onEnd(listener: () => void): void;
  kill(): void;
}

/**
 * Writes `input` to stdin and ends stdin. When a source breaks, the program is killed before it can take the end of its
 * input for a good one. Resolves once stdin has taken everything or the program has ended.
 * @throws the error of a broken source
 */
export const feed = async (program: Program, input: string | Readable = ''): Promise<void> => {
  const { stdin } = program;
  // How the program ended tells why it took no more.
  stdin.on('error', () => {});
  if (typeof input === 'string') {
    stdin.end(input);
    return;
  }
  program.onEnd(() => input.destroy());
  // `pipe` ends stdin at a good end only, so a broken source never looks like a complete one.
  input.pipe(stdin);
  await orKill(program, finished(input, { writable: false }));
};

/** Resolves once `output` has taken all of stdout; does not end it. @throws the error of a broken sink */
export const drain = async (program: Program, output: Writable): Promise<void> => {
  const { stdout } = program;
  stdout.pipe(output, { end: false });
  await orKill(
    program,
    Promise.race([finished(stdout, { writable: false }), finished(output, { readable: false })]),
  );
};

/** When a stream breaks because the program has ended, the end of the program is the error to report. */
const orKill = async (program: Program, streaming: Promise<void>): Promise<void> => {
  try {
    await streaming;
  } catch (error) {
    if (program.hasEnded()) return;
    program.kill();
    throw error;
  }
};

/** Ends `output` and waits until it has taken everything. */
export const finish = async (output: Writable): Promise<void> => {
  output.end();
  await finished(output, { readable: false });
};

/** What `work` failed with; undefined when it succeeded. Never rejects. */
export const errorOf = (work: Promise<unknown> | undefined): Promise<unknown> =>
  Promise.resolve(work).then(
    () => undefined,
    (error: unknown) => error,
  );

/** Remembers the end of a text stream, however long that is. */
export const tailOf = (stream: Readable | null | undefined): { text(): string } => {
  let tail = '';
  stream?.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-TAIL_CHARACTERS);
  });
  return { text: () => lastLines(tail) };
};

export const lastLines = (text: string): string =>
  text.slice(-TAIL_CHARACTERS).trim().split('\n').slice(-TAIL_LINES).join('\n').trim();
