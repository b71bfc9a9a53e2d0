import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { ColdspareError, toColdspareError } from '../../domain/errors.js';
import { readMarker } from '../../domain/marker.js';
import { BLOCKED, type DumpFacts } from '../../ports/stack.js';
import { chooseCompression } from './compression.js';
import { readFingerprint } from './fingerprint.js';
import { readGlobals } from './globals.js';
import { beginLocked, countContents, readSequences } from './inventory.js';
import { type PsqlSession, type SessionOptions, withSession } from './psql-session.js';
import { rechunk } from './rechunk.js';
import { connectedTool, type Server, toolEnv } from './server.js';

/**
 * Milliseconds that others may have to wait for a dump. Whoever wants a whole table waits for our session, and pg_dump
 * and every reader wait behind it. No server can detect that deadlock: it does not know that we wait for pg_dump.
 */
const LOCK_WAIT_MS = 2_000;

/** Milliseconds within which a link that breaks ends everything that goes over it. */
const LINK_MS = 1_000;

type Sequences = DumpFacts['inventory']['sequences'];

/**
 * Dumps `database` into `sink`. Everything in the facts was read in the snapshot that pg_dump dumps.
 * @throws ColdspareError `database-failed`; with the value `BLOCKED` when it made way for others and may be tried again
 */
export const dumpDatabase = async (
  server: Server,
  database: string,
  sink: Writable,
  options: SessionOptions,
): Promise<DumpFacts> => {
  // A sink may break before anything is written to it. The pipeline below reports that; an `error` event that nobody
  // listens to would end the agent.
  sink.on('error', () => {});
  try {
    return await withSession(server, database, options, async (session) => {
      const { version } = await session.row<{ version: string }>(
        "SELECT current_setting('server_version') AS version",
      );
      const compression = await chooseCompression(server, version, options.signal);
      await beginLocked(session);
      const { snapshot, size, comment } = await session.row<{
        snapshot: string;
        size: number;
        comment: string | null;
      }>(
        `SELECT pg_export_snapshot() AS snapshot, pg_database_size(oid) AS size,
                shobj_description(oid, 'pg_database') AS comment
         FROM pg_database WHERE datname = current_database()`,
      );
      const before = await readSequences(session);
      const fingerprint = await readFingerprint(session, before);
      const args = ['--format=custom', compression, `--snapshot=${snapshot}`];
      const dumped = runPgDump(server, database, args, sink, options);
      const [{ contents, globals }] = await Promise.all([
        readBesidePgDump(session).catch(async (error: unknown) => {
          // A link that breaks ends both, and only pg_dump's error says that it was the link.
          await Promise.race([dumped, sleep(LINK_MS, undefined, { ref: false })]);
          throw error;
        }),
        dumped,
      ]);
      const sequences = unmoved(before, await readSequences(session));
      return {
        format: 'custom',
        serverVersion: version,
        marker: readMarker(comment ?? undefined),
        databaseBytes: size,
        inventory: { ...contents, sequences },
        // If a sequence moved, nobody knows which of its values the dump holds.
        fingerprint: isDeepStrictEqual(sequences, before) ? fingerprint : undefined,
        surroundings: globals,
      };
    });
  } catch (error) {
    sink.destroy();
    throw /LOCK TABLE/.test(toColdspareError(error).message) ? blocked(error) : error;
  }
};

const runPgDump = async (
  server: Server,
  database: string,
  args: readonly string[],
  sink: Writable,
  options: SessionOptions,
): Promise<void> => {
  const output = rechunk();
  const written = pipeline(output, sink);
  // When the pipeline breaks, pg_dump is ended, and its own error tells why.
  written.catch(() => {});
  const argv = connectedTool(server, 'pg_dump', database, [
    ...args,
    `--lock-wait-timeout=${LOCK_WAIT_MS}`,
  ]);
  await server.executor.run(argv, { ...options, env: toolEnv(server), output });
  await written;
};

/**
 * Counts while pg_dump runs. Compressing keeps one processor busy, so counting uses one other and no more: everybody
 * waits for pg_dump.
 */
const readBesidePgDump = async (session: PsqlSession) => {
  await session.run('SET max_parallel_workers_per_gather = 0');
  const globals = await readGlobals(session);
  return { globals, contents: await countContents(session) };
};

const blocked = (cause: unknown): ColdspareError =>
  new ColdspareError(
    'database-failed',
    'the dump made way for a statement that needs a whole table (such as TRUNCATE or ALTER TABLE)',
    'it is tried again by itself; POST /backups takes one at once',
    { cause, value: BLOCKED },
  );

/** A snapshot does not hold sequences still. If one moved, nobody knows which value pg_dump saw. */
const unmoved = (before: Sequences, after: Sequences): Sequences =>
  Object.fromEntries(
    Object.entries(before).filter(
      ([name, { last, called }]) => after[name]?.last === last && after[name]?.called === called,
    ),
  );
