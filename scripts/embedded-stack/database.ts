import { createReadStream, createWriteStream } from 'node:fs';
import { access, mkdir, readFile, rm, statfs } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { ColdspareError } from '../../src/domain/errors.js';
import { checkPlainDump } from '../../src/drivers/postgres/check-plain-dump.js';
import { runCommand, startDetached } from '../../src/drivers/run-command.js';
import type { Database } from '../../src/ports/stack.js';
import { createControlClient } from './control-client.js';
import type { Layout } from './layout.js';
import type { EmbeddedOptions } from './options.js';
import { endProcesses, findProcesses } from './processes.js';

const POLL_PAUSE = 100;
/** Milliseconds for a short request, which may have to wait for a dump or a restore before it. */
const ASK_TIMEOUT = 30_000;

/** Programs are compiled files, also when a test runs this one as TypeScript. */
const programs = import.meta.url.endsWith('.ts')
  ? '../../dist/scripts/embedded-stack/server/'
  : './server/';
const programPath = (name: string): string =>
  fileURLToPath(new URL(`${programs}${name}`, import.meta.url));

/** These programs live for seconds: compiling PostgreSQL a second time, to faster code, costs more than it saves. */
const node = [process.execPath, '--liftoff-only'];

export const createDatabase = (
  { database, timeouts }: EmbeddedOptions,
  layout: Layout,
): Database => {
  const { transfer } = timeouts;
  const { marks } = layout;
  const ask = createControlClient(layout.controlSocket);
  const isRunning = async () => (await findProcesses(marks.database)).length > 0;

  const answers = async (): Promise<boolean> => {
    try {
      // Without a live database there is nothing to query, and the server's own answer has to do.
      if (!(await ask('exists', [], timeouts.query))) return true;
      await query(database, timeouts.query);
      return true;
    } catch {
      return false;
    }
  };

  const startServer = async (signal: AbortSignal): Promise<void> => {
    const name = `--database=${database.name}`;
    if (!(await exists(layout.template))) {
      await runCommand([...node, programPath('initialize.js'), marks.initialize, name], {
        timeout: timeouts.start,
        signal,
      });
    }
    const program = programPath('database-server.js');
    await startDetached([...node, program, marks.database, name, `--port=${database.port}`], {
      logFile: layout.databaseLog,
    });
  };

  const waitUntilAnswers = async (signal: AbortSignal): Promise<void> => {
    const deadline = performance.now() + timeouts.start;
    while (!(await answers())) {
      signal.throwIfAborted();
      if (!(await isRunning())) throw await ended(layout);
      if (performance.now() > deadline) {
        // The next attempt must not wait for it again, and killing it loses nothing.
        await endProcesses(marks.database, 0);
        throw silent(timeouts.start);
      }
      await sleep(POLL_PAUSE);
    }
  };

  return {
    start: async (signal) => {
      signal.throwIfAborted();
      if (await answers()) return;
      await mkdir(layout.directory, { recursive: true, mode: 0o700 });
      if (!(await isRunning())) await startServer(signal);
      await waitUntilAnswers(signal);
    },
    stop: (signal) => endProcesses(marks.database, timeouts.stop, signal),
    answers,
    live: () => ask('live', [], ASK_TIMEOUT),
    mark: (marker) => ask('mark', [marker], ASK_TIMEOUT),
    inventory: (of) => ask('inventory', of === undefined ? [] : [of], transfer),
    // A dump is taken from a copy, which has transactions of its own.
    fingerprint: async () => undefined,

    dump: async (sink, signal) => {
      try {
        const facts = await ask('dump', [], transfer, signal);
        await pipeline(
          createReadStream(layout.outgoingDump),
          checkPlainDump('of the embedded database'),
          sink,
          { signal },
        );
        return facts;
      } catch (error) {
        // Destroyed, not ended: who reads the other side must not take what came so far for the whole dump.
        sink.destroy();
        signal.throwIfAborted();
        throw error;
      } finally {
        await rm(layout.outgoingDump, { force: true });
      }
    },
    // `gently` is ignored: the server does one thing at a time.
    restore: async (
      content,
      { id, surroundings },
      signal,
      { staging: beside = 'incoming' } = {},
    ) => {
      try {
        await receive(content, id, layout.arrivingDump[beside], signal);
        await ask('restore', [beside, surroundings], transfer, signal);
      } finally {
        await rm(layout.arrivingDump[beside], { force: true });
      }
    },
    answer: (sql, timeout, signal) => ask('answer', [sql], timeout, signal),
    discard: (beside = 'incoming') => ask('discard', [beside], ASK_TIMEOUT),
    swap: (marker, keepAs) => ask('swap', [marker, keepAs], transfer),
    setAside: (keepAs) => ask('setAside', [keepAs], transfer),
    freeSpace: () =>
      statfs(layout.directory).then(
        ({ bavail, bsize }) => bavail * bsize,
        () => undefined,
      ),
    others: () => ask('others', [], ASK_TIMEOUT),
    drop: (name) => ask('drop', [name], ASK_TIMEOUT),
    freeze: () => ask('setFrozen', [true], transfer),
    thaw: () => ask('setFrozen', [false], transfer),
    writes: async () => BigInt(await ask('writes', [], ASK_TIMEOUT)),
    usage: async () => undefined,
  };
};

/** Keeps the dump for the server, which refuses none that is not whole: PGlite would restore it without an error. */
const receive = async (
  content: Readable,
  id: string,
  file: string,
  signal: AbortSignal,
): Promise<void> => {
  try {
    await pipeline(content, checkPlainDump(id), createWriteStream(file, { mode: 0o600 }), {
      signal,
    });
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof ColdspareError) throw cause;
    // A full disk says nothing about the backup: an older one would not fit either.
    if ((cause as NodeJS.ErrnoException).code === 'ENOSPC') throw cause;
    throw new ColdspareError(
      'backup-unusable',
      `the dump broke off: ${cause instanceof Error ? cause.message : String(cause)}`,
      'use the next older backup; nothing was changed',
      { cause },
    );
  }
};

/** @throws when no query over TCP is answered */
const query = async (
  { port, user, name }: EmbeddedOptions['database'],
  timeout: number,
): Promise<void> => {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user,
    database: name,
    connectionTimeoutMillis: timeout,
    query_timeout: timeout,
  });
  // A server that goes away between two messages fails the query; this event without a listener would end the agent.
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('SELECT 1');
  } finally {
    await client.end();
  }
};

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const ended = async ({ databaseLog }: Layout): Promise<ColdspareError> => {
  const log = await readFile(databaseLog, 'utf8').catch(() => '');
  return new ColdspareError(
    'database-failed',
    `the database server ended while it started; its last line: ${log.trim().split('\n').at(-1)}`,
    'free its port if something else has it, else read database.log in the state directory',
  );
};

const silent = (timeout: number): ColdspareError =>
  new ColdspareError(
    'database-unreachable',
    `the database server was started but answered no query within ${timeout} ms; it was ended`,
    'try again; database.log in the state directory says what it was doing',
  );
