import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isDeepStrictEqual } from 'node:util';
import { ColdspareError, toColdspareError } from '../../domain/errors.js';
import { readMarker } from '../../domain/marker.js';
import { BLOCKED, type DumpFacts } from '../../ports/stack.js';
import { chooseCompression } from './compression.js';
import { readFingerprint } from './fingerprint.js';
import { readSurroundings } from './globals.js';
import { beginLocked, countContents, readSequences } from './inventory.js';
import { type SessionOptions, withSession } from './psql-session.js';
import { inLargePieces } from './rechunk.js';
import { connectedTool, type Server } from './tools.js';

/**
 * Whoever wants a table for itself waits for us, and pg_dump waits behind it: for ever, for no server sees that we wait
 * for pg_dump; and so does every reader behind both. Milliseconds that they may have to.
 */
const LOCK_WAIT_MS = 2_000;

/**
 * Dumps `database` into `sink`. Everything in the facts was read in the snapshot that pg_dump dumps.
 * @throws ColdspareError `database-failed`, of value `BLOCKED` when it made way for others: then it may be tried again
 */
export const dumpDatabase = async (
  server: Server,
  database: string,
  sink: Writable,
  options: SessionOptions,
): Promise<DumpFacts> => {
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
      const args = [
        ...['--format=custom', compression, `--snapshot=${snapshot}`],
        `--lock-wait-timeout=${LOCK_WAIT_MS}`,
      ];
      const output = inLargePieces();
      const written = pipeline(output, sink);
      // What breaks it ends pg_dump, and is told by that.
      written.catch(() => {});
      const dump = server.executor.run(connectedTool(server, 'pg_dump', database, args), {
        ...options,
        env: server.tools.env(),
        output,
      });
      // Compressing keeps one processor busy; meanwhile another one counts, and no more than one: several would only take
      // their time from pg_dump, on which everybody waits.
      await session.run('SET max_parallel_workers_per_gather = 0');
      const surroundings = await readSurroundings(session);
      const [contents] = await Promise.all([countContents(session), dump.then(() => written)]);
      const sequences = unmoved(before, await readSequences(session));
      return {
        format: 'custom',
        serverVersion: version,
        marker: readMarker(comment ?? undefined),
        databaseBytes: size,
        inventory: { ...contents, sequences },
        // Of a sequence that moved nobody knows what the dump holds.
        fingerprint: isDeepStrictEqual(sequences, before) ? fingerprint : undefined,
        surroundings,
      };
    });
  } catch (error) {
    sink.destroy();
    throw /LOCK TABLE/.test(toColdspareError(error).message) ? blocked(error) : error;
  }
};

const blocked = (cause: unknown): ColdspareError =>
  new ColdspareError(
    'database-failed',
    'the dump made way for somebody who waits to change a table as a whole (such as TRUNCATE or ALTER TABLE)',
    'it is tried again by itself; POST /backups takes one at once',
    { cause, value: BLOCKED },
  );

/** A snapshot does not hold sequences still: of one that moved meanwhile, nobody knows what pg_dump saw. */
const unmoved = (
  before: DumpFacts['inventory']['sequences'],
  after: DumpFacts['inventory']['sequences'],
): DumpFacts['inventory']['sequences'] =>
  Object.fromEntries(
    Object.entries(before).filter(
      ([name, { last, called }]) => after[name]?.last === last && after[name]?.called === called,
    ),
  );
