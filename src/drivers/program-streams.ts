import type { Readable, Writable } from 'node:stream';
import { finished } from 'node:stream/promises';

/** How many lines are kept of the beginning, and of the end. */
const LINES = 6;
const LINE_CHARACTERS = 700;

/** A program that was started, here or on another machine. */
export interface Program {
  stdin: Writable;
  stdout: Readable;
  hasEnded(): boolean;
  onEnd(listener: () => void): void;
  kill(): void;
}

/** When nobody waits for the streams of a program any more, whether or not it has ended itself. */
export interface Limit {
  /** As `performance.now`. */
  until: number;
  signal?: AbortSignal | undefined;
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

/**
 * Resolves once `output` has taken all of stdout, or at the limit; does not end it. @throws the error of a broken sink
 */
export const drain = async (program: Program, output: Writable, limit: Limit): Promise<void> => {
  const { stdout } = program;
  stdout.pipe(output, { end: false });
  // A program that still runs is ended by whoever started it.
  const forget = atLimit(limit, () => program.hasEnded() && stdout.destroy());
  const broken = finished(output, { readable: false }).finally(() => {
    // Nobody reads the rest of a program that has ended already, and whoever waits for its end waits for that too.
    if (program.hasEnded()) stdout.destroy();
  });
  const streaming = Promise.race([finished(stdout, { writable: false }), broken]);
  await orKill(program, streaming).finally(forget);
};

/** Calls `act` at the limit, at once when it has passed. The returned function prevents that. */
const atLimit = ({ until, signal }: Limit, act: () => void): (() => void) => {
  const timer = setTimeout(act, Math.max(0, until - performance.now()));
  signal?.addEventListener('abort', act, { once: true });
  return () => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', act);
  };
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

/**
 * Ends `output` and waits until it has taken everything. It is destroyed at the limit: a sink may stall.
 * @throws the signal's reason, the error that `late` makes, or that of a broken sink
 */
export const finish = async (output: Writable, limit: Limit, late: () => Error): Promise<void> => {
  const forget = atLimit(limit, () =>
    output.destroy(limit.signal?.aborted ? limit.signal.reason : late()),
  );
  output.end();
  await finished(output, { readable: false }).finally(forget);
};

/** What `work` failed with; undefined when it succeeded. Never rejects. */
export const errorOf = (work: Promise<unknown> | undefined): Promise<unknown> =>
  Promise.resolve(work).then(
    () => undefined,
    (error: unknown) => error,
  );

/**
 * Remembers what a program said about a failure, however much else it printed: the first line, the last lines, and
 * between them the lines that name an error or a hint. A statement of a thousand lines may follow its error.
 */
export const tailOf = (stream: Readable | null | undefined): { text(): string } => {
  const summary = new Summary();
  stream?.setEncoding('utf8').on('data', (text: string) => summary.add(text));
  return { text: () => summary.text() };
};

export const lastLines = (text: string): string => {
  const summary = new Summary();
  summary.add(text);
  return summary.text();
};

/** A line that says why something failed, as PostgreSQL, container engines and most programs write it. */
const REASON = /\b(error|fatal|panic|failed|denied|hint|command was)\b/i;

class Summary {
  #first: string | undefined;
  readonly #reasons: string[] = [];
  readonly #last: string[] = [];
  #rest = '';

  add(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = short(lines.pop() ?? '');
    for (const line of lines) this.#addLine(short(line));
  }

  text(): string {
    const head = this.#first === undefined ? [] : [this.#first];
    return [...head, ...this.#reasons, ...this.#last, this.#rest].join('\n').trim();
  }

  #addLine(line: string): void {
    if (this.#last.push(line) <= LINES) return;
    const old = this.#last.shift() ?? '';
    if (this.#first === undefined) this.#first = old;
    else if (REASON.test(old)) this.#reasons.push(old);
    // The first of many reasons are kept, and the last ones.
    if (this.#reasons.length > LINES) this.#reasons.splice(LINES / 2, 1);
  }
}

/** Beginning and end of a long line, such as one that names three hundred tables. */
const short = (line: string): string =>
  line.length <= LINE_CHARACTERS
    ? line
    : `${line.slice(0, LINE_CHARACTERS / 2)} … ${line.slice(-LINE_CHARACTERS / 2)}`;
