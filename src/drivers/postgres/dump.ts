import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { toColdspareError } from '../../domain/errors.js';
import { readMarker } from '../../domain/marker.js';
import type { DumpFacts } from '../../ports/stack.js';
import { checkArchive } from './check-archive.js';
import { chooseCompression } from './compression.js';
import { readFingerprint } from './fingerprint.js';
import { readGlobals } from './globals.js';
import { beginLocked, countContents, readSequences } from './inventory.js';
import { isLockedOut, LINK_MS, madeWay, makingWay } from './make-way.js';
import { type PsqlSession, type SessionOptions, withSession } from './psql-session.js';
import { rechunk } from './rechunk.js';
import { connectedTool, type Server, toolEnv } from './server.js';
import { readValues } from './values.js';

/** Milliseconds. Its session is watched, and is ended long before that (`makingWay`). */
const LOCK_WAIT_MS = 10_000;

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
      const { version, pid } = await session.row<{ version: string; pid: number }>(
        "SELECT current_setting('server_version') AS version, pg_backend_pid() AS pid",
      );
      const compression = await chooseCompression(server, version, options.signal);
      const application = `coldspare-dump-${pid}`;
      return makingWay(server, database, options, { pid, application }, async (limits) => {
        await beginLocked(session);
        return dumpLocked(session, version, (snapshot) =>
          runPgDump(server, database, {
            ...{ sink, options: limits, application },
            args: ['--format=custom', compression, `--snapshot=${snapshot}`],
          }),
        );
      });
    });
  } catch (error) {
    sink.destroy();
    throw isLockedOut(error) ? madeWay(toColdspareError(error).message) : error;
  }
};

/** Dumps and counts in the snapshot of `session`, which begins here. */
const dumpLocked = async (
  session: PsqlSession,
  version: string,
  pgDump: (snapshot: string) => Promise<void>,
): Promise<DumpFacts> => {
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
  const dumped = pgDump(snapshot);
  const [{ contents, globals, values }] = await Promise.all([
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
    values,
    // If a sequence moved, nobody knows which of its values the dump holds.
    fingerprint: isDeepStrictEqual(sequences, before) ? fingerprint : undefined,
    surroundings: globals,
  };
};

interface PgDump {
  sink: Writable;
  options: SessionOptions;
  args: readonly string[];
  application: string;
}

const runPgDump = async (
  server: Server,
  database: string,
  { sink, options, args, application }: PgDump,
): Promise<void> => {
  const output = rechunk();
  const archive = checkArchive();
  // The sink may stall when pg_dump has ended already.
  const written = pipeline(output, archive, sink, options.signal && { signal: options.signal });
  // When the pipeline breaks, pg_dump is ended, and its own error tells why.
  written.catch(() => {});
  const limited = [...args, `--lock-wait-timeout=${LOCK_WAIT_MS}`];
  const argv = connectedTool(server, 'pg_dump', database, limited, application);
  try {
    await server.executor.run(argv, { ...options, env: toolEnv(server), output });
    await written;
  } catch (error) {
    throw archive.foreign ?? error;
  }
};

/**
 * Counts while pg_dump runs. Compressing keeps one processor busy, so counting uses one other and no more: everybody
 * waits for pg_dump. An index that covers what is visible is read in place of its table wherever it is the smaller one;
 * by default, PostgreSQL calls a page of an index four times as dear. Nothing else that knows the number of rows knows
 * it of this snapshot.
 */
const readBesidePgDump = async (session: PsqlSession) => {
  await session.run('SET max_parallel_workers_per_gather = 0');
  await session.run('SET random_page_cost = 1');
  const globals = await readGlobals(session);
  const contents = await countContents(session);
  return { globals, contents, values: await readValues(session) };
};

/** A snapshot does not hold sequences still. If one moved, nobody knows which value pg_dump saw. */
const unmoved = (before: Sequences, after: Sequences): Sequences =>
  Object.fromEntries(
    Object.entries(before).filter(
      ([name, { last, called }]) => after[name]?.last === last && after[name]?.called === called,
    ),
  );
