import { createReadStream, createWriteStream } from 'node:fs';
import { access, mkdir, readFile, rm, statfs } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { ColdspareError } from '../../domain/errors.js';
import type { Database } from '../../ports/stack.js';
import { runCommand, startDetached } from '../command.js';
import { createControlClient } from './control-client.js';
import type { Layout } from './layout.js';
import { endProcesses, findProcesses } from './processes.js';
import type { EmbeddedOptions } from './stack.js';

const POLL_PAUSE = 100;
/** Milliseconds for a short request, which may have to wait for a dump or a restore before it. */
const ASK_TIMEOUT = 30_000;

/** Programs are compiled files, also when a test runs this one as TypeScript. */
const programs = import.meta.url.endsWith('.ts') ? '../../../dist/src/drivers/embedded/' : './';
const programPath = (name: string): string =>
  fileURLToPath(new URL(`${programs}${name}`, import.meta.url));
const serverProgram = programPath('database-server.js');
const initializeProgram = programPath('initialize.js');

export const createDatabase = (
  { database, timeouts }: EmbeddedOptions,
  layout: Layout,
): Database => {
  const { transfer } = timeouts;
  const control = createControlClient(layout.controlSocket);
  const mark = `--coldspare-database=${layout.directory}`;
  const databaseArgument = `--database=${database.name}`;

  /** Without a live database there is nothing to query, and the server's own word has to do. */
  const answers = async (): Promise<boolean> => {
    try {
      return (
        !(await control.ask('exists', null, timeouts.query)) ||
        (await answersQuery(database, timeouts.query))
      );
    } catch {
      return false;
    }
  };

  const initialize = async (signal: AbortSignal): Promise<void> => {
    if (await isThere(layout.template)) return;
    await runCommand(
      [process.execPath, initializeProgram, `--directory=${layout.directory}`, databaseArgument],
      {
        timeout: timeouts.start,
        signal,
      },
    );
  };

  const waitUntilAnswers = async (signal: AbortSignal): Promise<void> => {
    const deadline = performance.now() + timeouts.start;
    while (!(await answers())) {
      signal.throwIfAborted();
      if ((await findProcesses(mark)).length === 0) throw await ended(layout);
      if (performance.now() > deadline) {
        // Not left for the next attempt to wait for: killing it loses nothing.
        await endProcesses(mark, 0);
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
      if ((await findProcesses(mark)).length === 0) {
        await initialize(signal);
        await startDetached(
          [process.execPath, serverProgram, mark, databaseArgument, `--port=${database.port}`],
          { logFile: layout.databaseLog },
        );
      }
      await waitUntilAnswers(signal);
    },
    stop: (signal) => endProcesses(mark, timeouts.stop, signal),
    answers,
    live: async () => {
      const { exists, marker } = await control.ask('live', null, ASK_TIMEOUT);
      return { exists, marker };
    },
    mark: (marker) => control.ask('mark', marker, ASK_TIMEOUT),
    inventory: (of) => control.ask('inventory', { of }, transfer),
    // A dump is taken from a copy, which is not of the same cluster.
    fingerprint: async () => undefined,

    dump: async (sink, signal) => {
      try {
        const facts = await control.ask('dump', null, transfer, signal);
        await pipeline(createReadStream(layout.outgoingDump), sink, { signal });
        return { ...facts, marker: facts.marker };
      } catch (error) {
        // Torn, not ended: whoever reads the other side must not take it for complete.
        sink.destroy();
        signal.throwIfAborted();
        throw error;
      } finally {
        await rm(layout.outgoingDump, { force: true });
      }
    },
    // In a process that does one thing at a time, nothing can be done more gently.
    restore: async (content, { surroundings }, signal, { staging: beside = 'incoming' } = {}) => {
      try {
        await receive(content, layout.arrivingDump[beside], signal);
        await control.ask('restore', { beside, surroundings }, transfer, signal);
      } finally {
        await rm(layout.arrivingDump[beside], { force: true });
      }
    },
    // A timer of the server's own would have to interrupt a process that does one thing at a time.
    answer: (sql, timeout, signal) => control.ask('answer', { sql }, timeout, signal),
    discard: (beside = 'incoming') => control.ask('discard', { beside }, ASK_TIMEOUT),
    swap: (marker, keepAs) => control.ask('swap', { marker, keepAs }, transfer),
    setAside: (keepAs) => control.ask('setAside', { keepAs }, transfer),
    freeSpace: () =>
      statfs(layout.directory).then(
        ({ bavail, bsize }) => bavail * bsize,
        () => undefined,
      ),
    others: () => control.ask('others', null, ASK_TIMEOUT),
    drop: (name) => control.ask('drop', { name }, ASK_TIMEOUT),
    freeze: () => control.ask('freeze', null, transfer),
    thaw: () => control.ask('thaw', null, transfer),
    writes: async () => BigInt(await control.ask('writes', null, ASK_TIMEOUT)),
  };
};

const receive = async (content: Readable, file: string, signal: AbortSignal): Promise<void> => {
  try {
    await pipeline(content, createWriteStream(file, { mode: 0o600 }), { signal });
  } catch (cause) {
    signal.throwIfAborted();
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

const answersQuery = async (
  { port, user, name }: EmbeddedOptions['database'],
  timeout: number,
): Promise<boolean> => {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user,
    database: name,
    connectionTimeoutMillis: timeout,
    query_timeout: timeout,
  });
  // A server that goes away between two messages shows in the query; unheard it would end the agent.
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('SELECT 1');
    return true;
  } finally {
    await client.end();
  }
};

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const ended = async ({ databaseLog }: Layout): Promise<ColdspareError> => {
  const log = await readFile(databaseLog, 'utf8').catch(() => '');
  return new ColdspareError(
    'database-failed',
    `the database server ended while it started; its last words: ${log.trim().split('\n').at(-1)}`,
    'free its port if something else has it, else read database.log in the state directory',
  );
};

const silent = (timeout: number): ColdspareError =>
  new ColdspareError(
    'database-unreachable',
    `the database server was started but answered no query within ${timeout} ms; it was ended`,
    'try again; database.log in the state directory says what it was doing',
  );
