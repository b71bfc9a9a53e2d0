import { pipeline, type Readable } from 'node:stream';
import { ColdspareError, isError } from '../../domain/errors.js';
import type { Manifest } from '../../domain/manifest.js';
import type { CommandOptions } from '../run-command.js';
import { checkPlainDump } from './check-plain-dump.js';
import { createRoles, settingStatements } from './globals.js';
import { type PsqlSession, type SessionOptions, withSession } from './psql-session.js';
import { connectedTool, type Server, toolEnv } from './server.js';
import { openSpool, withSpooled } from './spool.js';
import { identifier, literal } from './sql.js';

const DROP_TIMEOUT_MS = 60_000;

interface Target {
  server: Server;
  /** The database to connect to while `name` does not exist. */
  maintenance: string;
  /** The database to restore into. Never the live one. */
  name: string;
}

interface LoadOptions extends SessionOptions {
  gently: boolean;
  /** Gather statistics for the planner afterwards: users may come to it, and nobody waits for it now. */
  isForUse: boolean;
}

/** The lowest priority for the processor, and on most systems for the disk. */
const GENTLY = ['nice', '-n', '19'];

/**
 * Restores `content` as the database of that name, or leaves none.
 * @throws ColdspareError `backup-unusable` when the content cannot be restored as a whole
 */
export const restoreDatabase = async (
  target: Target,
  content: Readable,
  manifest: Manifest,
  options: LoadOptions,
): Promise<void> => {
  // Content may break before it is read. Whoever reads it then reports that; an `error` event that nobody listens to
  // would end the agent.
  content.on('error', () => {});
  try {
    // Without the signal: a session that is cut would let the server finish CREATE DATABASE after our DROP DATABASE.
    const env = await withSession(
      target.server,
      target.maintenance,
      { timeout: options.timeout },
      async (session) => {
        await createEmpty(session, target.name, manifest);
        return englishEnv(session);
      },
    );
    await load({ ...target, env }, content, manifest, options);
    if (options.isForUse)
      await analyze(target, options).catch(() => options.signal?.throwIfAborted());
  } catch (error) {
    content.destroy();
    // If the server died, this fails too; the next restore drops what is left.
    await dropDatabase(target.server, target.maintenance, target.name).catch(() => {});
    throw error;
  }
};

/** No error when there is no such database. Ends its sessions. */
export const dropDatabase = (server: Server, maintenance: string, name: string): Promise<void> =>
  withSession(server, maintenance, { timeout: DROP_TIMEOUT_MS }, (session) => drop(session, name));

const drop = (session: PsqlSession, name: string): Promise<void> =>
  session.run(`DROP DATABASE IF EXISTS ${identifier(name)} WITH (FORCE)`);

const createEmpty = async (
  session: PsqlSession,
  name: string,
  { surroundings: globals }: Manifest,
): Promise<void> => {
  await drop(session, name);
  if (globals === undefined)
    return session.run(`CREATE DATABASE ${identifier(name)} TEMPLATE template0`);
  await createRoles(session, globals.roles);
  const { encoding, collate, ctype } = globals;
  try {
    await session.run(
      `CREATE DATABASE ${identifier(name)} TEMPLATE template0 OWNER ${identifier(globals.owner)}
       ENCODING ${literal(encoding)} LC_COLLATE ${literal(collate)} LC_CTYPE ${literal(ctype)}`,
    );
  } catch (error) {
    if (!isError(error, 'database-failed')) throw error;
    throw new ColdspareError(
      'database-failed',
      `no database can be created with encoding ${encoding} and locales ${collate} and ${ctype}: ${error.message}`,
      `install the locale ${collate} on this machine ("locale -a" lists those that are installed)`,
      { cause: error, value: { encoding, collate, ctype } },
    );
  }
  for (const setting of settingStatements('DATABASE', name, globals.settings)) {
    await session.run(setting);
  }
};

/** A target whose server speaks English to its tools where it may be asked to. */
type LoadTarget = Target & { env: Record<string, string> };

const load = async (
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
    if (options.signal?.aborted || CLEAR.some((code) => isError(error, code))) throw error;
    const message = error instanceof Error ? error.message : String(error);
    if (SERVER_TROUBLE.test(message)) throw serverTrouble(manifest, message, error);
    throw new ColdspareError(
      'backup-unusable',
      `backup ${manifest.id} cannot be restored: ${message}`,
      'restore an older backup, or take a new one with POST /backups on the primary',
      { cause: error, value: manifest.id },
    );
  }
};

/** Errors that already say whether the backup is at fault. */
const CLEAR = ['timed-out', 'backup-unusable', 'database-failed'] as const;

const loadPlain: typeof load = (target, content, { id }, options) => {
  // psql reads from the end of the pipeline, so it gets the error of a stream that breaks.
  const input = pipeline(content, checkPlainDump(id), () => {});
  const args = ['-X', '-q', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-f', '-'];
  return runTool(target, 'psql', args, { ...options, input });
};

/** Not in a single transaction: that would lock every object at once, and a restore that fails is dropped anyway. */
const loadCustom: typeof load = async (target, content, manifest, options) => {
  const { executor, spool } = target.server;
  // Tablespaces differ from server to server. A subscription in a copy would receive changes meant for the live
  // database, and the copy could not be dropped.
  const args = ['--exit-on-error', '--no-tablespaces', '--no-subscriptions'];
  const file =
    spool && !options.gently ? await openSpool(executor, spool, manifest.bytes) : undefined;
  if (spool === undefined || file === undefined)
    return runTool(target, 'pg_restore', args, { ...options, input: content });
  return withSpooled(executor, file, content, options, () =>
    runTool(target, 'pg_restore', [...args, `--jobs=${spool.jobs}`, file], options),
  );
};

/**
 * Gathers statistics, which a dump does not hold; without them, the first users would find the database slow. A failure
 * is ignored because statistics are not data: an expression of an index may raise an error.
 */
const analyze = ({ server, name }: Target, { timeout, signal }: SessionOptions): Promise<void> =>
  withSession(server, name, { timeout, signal }, (session) => session.run('ANALYZE'));

/** Makes the server's messages English. Only a superuser may set their language. */
const englishEnv = async (session: PsqlSession): Promise<Record<string, string>> => {
  const { superuser } = await session.row<{ superuser: boolean }>(
    'SELECT rolsuper AS superuser FROM pg_roles WHERE rolname = current_user',
  );
  return superuser ? { PGOPTIONS: '-c lc_messages=C' } : {};
};

const runTool = async (
  { server, name, env }: LoadTarget,
  tool: 'psql' | 'pg_restore',
  args: readonly string[],
  { gently, isForUse: _, ...options }: LoadOptions & Pick<CommandOptions, 'input'>,
): Promise<void> => {
  const argv = connectedTool(server, tool, name, args);
  await server.executor.run(gently ? [...GENTLY, ...argv] : argv, {
    ...options,
    // English, because `SERVER_TROUBLE` reads their messages.
    env: { ...toolEnv(server), ...env, LC_ALL: 'C' },
  });
};

/** The server is at fault, not the backup. An older backup would fail in the same way, and would lose more. */
const SERVER_TROUBLE = new RegExp(
  [
    'No space left on device|Disk quota exceeded|Input/output error|Read-only file system',
    'out of (shared )?memory|terminating connection|server closed the connection',
    'connection to server|canceling statement',
    // Something is installed on the other machine and not on this one.
    'extension ".*" is not available|could not open extension control file|could not (load|access) (library|file)',
    'unrecognized configuration parameter|shared_preload_libraries|can only create extension in database',
    'collation ".*" for encoding ".*" does not exist|could not create locale',
    // The tool was killed or not started, or the container engine failed.
    'was ended by SIG|could not be started|exited with (12[5-9]|1[3-9]\\d|255)|error during connect|Error response from daemon|docker daemon',
  ].join('|'),
);

const serverTrouble = ({ id }: Manifest, message: string, cause: unknown): ColdspareError =>
  new ColdspareError(
    'database-failed',
    `the database server could not restore ${id}: ${message}`,
    "look at the database server's log, its disk and its memory, then try again",
    { cause, value: id },
  );
