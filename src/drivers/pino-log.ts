import { write, writeSync } from 'node:fs';
import { type DestinationStream, pino, stdSerializers } from 'pino';
import type { Log } from '../ports/log.js';

/** Names of fields that could hold a secret. No secret is logged on purpose; this is the second line of defence. */
const SECRETS = ['token', 'password', 'authorization', 'verifier', 'Authorization'];

/** Characters that wait for a reader that does not keep up. What comes then is not logged. */
const MOST_WAITING = 1024 * 1024;
/** Milliseconds. */
const HANGS = 1_000;
const EXIT_PAUSE = 20;

/** JSON lines on stdout, each with the node's name. */
export const createPinoLog = (
  level: string,
  node: string,
  destination: DestinationStream = createDestination(1),
): Log =>
  pino(
    {
      level,
      base: { node },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: {
        error: (error) => (error instanceof Error ? stdSerializers.err(error) : error),
      },
      redact: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
    },
    { write: (line) => destination.write(escapeSigns(line)) },
  );

/** JSON escapes control characters up to 31. Terminals obey others, too. In JSON all of them stand in texts. */
const escapeSigns = (line: string): string =>
  line.replace(
    /[\x7f-\x9f\p{Bidi_Control}\u2028\u2029]/gu,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/**
 * Lines for an open file or pipe. A full disk or a reader that hangs costs lines, and never holds up or ends the agent
 * (H51): pino's own destination waits for it.
 */
export const createDestination = (fd: number): DestinationStream => {
  let waiting = '';
  let writing = '';
  let since = 0;
  const next = (): void => {
    if (writing !== '' || waiting === '') return;
    [writing, waiting] = [waiting, ''];
    since = performance.now();
    write(fd, writing, (error, written = 0) => {
      // A pipe may take a part of it.
      const rest = error === null ? Buffer.from(writing).subarray(written).toString() : '';
      writing = '';
      waiting = rest + waiting;
      next();
    });
  };
  // What is said last is said right before the process ends.
  process.once('exit', () => {
    if (writing !== '' && performance.now() - since > HANGS) return;
    // What is being written gets the time for it.
    if (writing !== '') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, EXIT_PAUSE);
    try {
      if (waiting !== '') writeSync(fd, waiting);
    } catch {
      // Nobody can be told.
    }
  });
  return {
    write: (line) => {
      if (waiting.length < MOST_WAITING) waiting += line;
      next();
    },
  };
};
