import { pipeline, type Readable } from 'node:stream';
import { isError } from '../../domain/errors.js';
import type { Manifest } from '../../domain/manifest.js';
import type { CommandOptions } from '../run-command.js';
import { checkPlainDump } from './check-plain-dump.js';
import { withDefiners } from './definers.js';
import { asLoader, type Loader } from './loader.js';
import type { SessionOptions } from './psql-session.js';
import { explainRestore } from './restore-errors.js';
import { connectedTool, type Server, toolArgv, toolEnv } from './server.js';
import { openSpool, type SpoolFile, withSpooled, writeSpooled } from './spool.js';

export interface LoadTarget {
  server: Server;
  name: string;
  file: SpoolFile;
  /** Who loads the rows; undefined when the user of `server` does. */
  loader: Loader | undefined;
}

export interface LoadOptions extends SessionOptions {
  gently: boolean;
  /** Goes on without indexes, constraints, triggers and contents of materialized views that cannot be made. */
  incomplete: boolean;
  /** Gets what a person should know about the restore. */
  note(text: string): void;
}

/** The lowest priority for the processor, and on most systems for the disk. */
const GENTLY = ['nice', '-n', '19'];

/** Fills an empty database. @throws ColdspareError that says whether the server, the backup or the dumped database is at fault */
export const load = async (
  target: LoadTarget,
  content: Readable,
  manifest: Manifest,
  options: LoadOptions,
): Promise<void> => {
  try {
    await (manifest.format === 'plain' ? loadPlain : loadCustom)(
      target,
      content,
      manifest,
      options,
    );
  } catch (error) {
    throw options.signal?.aborted ? error : explainRestore(manifest, error);
  }
};

const loadPlain: typeof load = (target, content, { id }, options) => {
  // psql reads from the end of the pipeline, so it gets the error of a stream that breaks.
  const input = pipeline(content, checkPlainDump(id), () => {});
  const args = ['-X', '-q', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-f', '-'];
  return runTool(target.server, 'psql', target.name, args, { ...options, input });
};

/**
 * Tablespaces differ from server to server. A subscription in a copy would receive changes meant for the live database,
 * and the copy could not be dropped.
 */
const ALWAYS = ['--no-tablespaces', '--no-subscriptions'];

/** Not in a single transaction: that would lock every object at once, and a restore that fails is dropped anyway. */
const loadCustom: typeof load = async (target, content, manifest, options) => {
  const { server, name, loader } = target;
  const inParts = loader !== undefined || options.incomplete;
  const isWaitedFor = !options.gently;
  const spool = server.spool;
  const file =
    spool && (inParts || isWaitedFor)
      ? await openSpool(server.executor, spool, manifest.bytes, target.file, inParts)
      : undefined;
  const exit = options.incomplete ? [] : ['--exit-on-error'];
  if (spool === undefined || file === undefined) {
    if (loader !== undefined) options.note(LOADED_BY_SUPERUSER);
    return runTool(server, 'pg_restore', name, [...ALWAYS, ...exit], {
      ...options,
      input: content,
    }).catch((error) => throwUnlessIncomplete(error, options));
  }
  const jobs = isWaitedFor && spool.jobs > 1 ? [`--jobs=${spool.jobs}`] : [];
  await withSpooled(server.executor, file, content, options, () =>
    inParts
      ? loadInParts(target, file, jobs, options)
      : runTool(server, 'pg_restore', name, [...ALWAYS, ...exit, ...jobs, file], options),
  );
};

const LOADED_BY_SUPERUSER =
  'its rows were loaded by DB_USER, so that code of the app ran with its rights: there is no room for a file beside the database';

/**
 * First the objects, then the rows, then what needs the rows. Rows are loaded by `loader`, and so are constraints that
 * read all rows. Large objects are only bytes, and may belong to anybody.
 */
const loadInParts = async (
  { server, name, loader }: LoadTarget,
  file: string,
  jobs: readonly string[],
  options: LoadOptions,
): Promise<void> => {
  const loading = loader ? asLoader(server, loader) : server;
  const list = await server.executor.run(toolArgv(server, 'pg_restore', ['--list', file]), {
    timeout: options.timeout,
    signal: options.signal,
    env: { LC_ALL: 'C' },
  });
  const lines = list.split('\n');
  // Since 17, they are created in this section too, with their owners and rights.
  const isLargeObjects = (line: string) =>
    /^\d+; \d+ \d+ (BLOB|(ACL|COMMENT|SECURITY LABEL) - LARGE OBJECT)/.test(line);
  const isCheck = (line: string) =>
    /^\d+; \d+ \d+ CHECK CONSTRAINT /.test(line) &&
    loader?.memberOf.some((owner) => line.endsWith(` ${owner}`)) === true;

  const run = async (as: Server, section: string, more: readonly string[] = []) => {
    const args = [...ALWAYS, `--section=${section}`, ...more, file];
    await runTool(as, 'pg_restore', name, args, options);
  };
  /** Those entries of a section, if there are any; all others when `rest` is set. */
  const only = async (which: (line: string) => boolean, rest = false) => {
    if (!lines.some(which)) return rest ? [] : undefined;
    const chosen = lines.filter((line) => which(line) !== rest);
    return [`--use-list=${await writeSpooled(server.executor, `${file}.list`, chosen.join('\n'))}`];
  };
  const strict = ['--exit-on-error'];
  await (loader === undefined
    ? run(server, 'pre-data', strict)
    : withDefiners(server, name, options, (definers) => run(definers, 'pre-data', strict)));
  await run(loading, 'data', [...strict, ...jobs, ...((await only(isLargeObjects, true)) ?? [])]);
  const largeObjects = await only(isLargeObjects);
  if (largeObjects) await run(server, 'data', [...strict, ...largeObjects]);
  const checks = await only(isCheck);
  if (checks) await run(loading, 'post-data', [...strict, ...checks]);
  const exit = options.incomplete ? [] : strict;
  const rest = [...exit, ...jobs, ...((await only(isCheck, true)) ?? [])];
  await run(server, 'post-data', rest).catch((error) => throwUnlessIncomplete(error, options));
};

const throwUnlessIncomplete = (error: unknown, { incomplete }: LoadOptions): void => {
  const isComplete = !/errors ignored on restore/.test(error instanceof Error ? error.message : '');
  if (!incomplete || isComplete || !isError(error, 'command-failed')) throw error;
};

const runTool = async (
  server: Server,
  tool: 'psql' | 'pg_restore',
  database: string,
  args: readonly string[],
  { gently, timeout, signal, input }: LoadOptions & Pick<CommandOptions, 'input'>,
): Promise<void> => {
  const argv = connectedTool(server, tool, database, args);
  await server.executor.run(gently ? [...GENTLY, ...argv] : argv, {
    timeout,
    signal,
    ...(input !== undefined && { input }),
    // English, because their messages are read.
    env: { ...toolEnv(server), LC_ALL: 'C' },
  });
};
