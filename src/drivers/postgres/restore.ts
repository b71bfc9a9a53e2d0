import { pipeline, type Readable } from 'node:stream';
import { ColdspareError, isError } from '../../domain/errors.js';
import type { Manifest } from '../../domain/manifest.js';
import type { CommandOptions } from '../command.js';
import { createRoles, settingStatements } from './globals.js';
import { checkPlainDump } from './plain-dump.js';
import { type PsqlSession, type SessionOptions, withSession } from './psql-session.js';
import { openSpool, withSpooled } from './spool.js';
import { identifier, literal } from './sql.js';
import { connectedTool, type Server } from './tools.js';

const DROP_TIMEOUT_MS = 60_000;

interface Target {
  server: Server;
  /** The database to be connected to while `name` does not exist. */
  maintenance: string;
  /** What is restored, beside the live database. */
  name: string;
  /** What makes the server speak English to its tools, as far as it may be asked to. */
  words?: Record<string, string>;
}

interface LoadOptions extends SessionOptions {
  gently: boolean;
  /** Whether users may come to it, and nobody waits for it now: then it gets statistics for the planner. */
  isForUse: boolean;
}

/** Of what runs on the machine the last to get a processor, and on most systems the disk. */
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
  try {
    // Not cut by the signal: the server would finish creating the database after we had looked for it to drop it.
    const words = await withSession(
      target.server,
      target.maintenance,
      { timeout: options.timeout },
      async (session) => {
        await createEmpty(session, target.name, manifest);
        return wordsOf(session);
      },
    );
    await load({ ...target, words }, content, manifest, options);
    if (options.isForUse)
      await analyze(target, options).catch(() => options.signal?.throwIfAborted());
  } catch (error) {
    content.destroy();
    // A server that died takes no more; what is left there is dropped by the next restore.
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
  { surroundings }: Manifest,
): Promise<void> => {
  await drop(session, name);
  if (surroundings === undefined) {
    await session.run(`CREATE DATABASE ${identifier(name)} TEMPLATE template0`);
    return;
  }
  await createRoles(session, surroundings.roles);
  const { encoding, collate, ctype } = surroundings;
  try {
    await session.run(
      `CREATE DATABASE ${identifier(name)} TEMPLATE template0 OWNER ${identifier(surroundings.owner)}
       ENCODING ${literal(encoding)} LC_COLLATE ${literal(collate)} LC_CTYPE ${literal(ctype)}`,
    );
  } catch (error) {
    if (!isError(error, 'database-failed')) throw error;
    throw new ColdspareError(
      'database-failed',
      `no database can be made with encoding ${encoding} and locales ${collate} and ${ctype}: ${error.message}`,
      `install the locale ${collate} on this machine ("locale -a" lists what is there)`,
      { cause: error, value: { encoding, collate, ctype } },
    );
  }
  for (const setting of settingStatements('DATABASE', name, surroundings.settings)) {
    await session.run(setting);
  }
};

const load = async (
  target: Target,
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
    if (options.signal?.aborted || HAS_SAID_IT.some((code) => isError(error, code))) throw error;
    const words = error instanceof Error ? error.message : String(error);
    if (SERVER_TROUBLE.test(words)) throw serverTrouble(manifest, words, error);
    throw new ColdspareError(
      'backup-unusable',
      `backup ${manifest.id} cannot be restored: ${words}`,
      'restore an older backup, or take a new one with POST /backups on the primary',
      { cause: error, value: manifest.id },
    );
  }
};

const HAS_SAID_IT = ['timed-out', 'backup-unusable', 'database-failed'] as const;

const loadPlain: typeof load = (target, content, _manifest, options) => {
  // The broken stream reports itself to the reader at its end.
  const input = pipeline(content, checkPlainDump(), () => {});
  const args = ['-X', '-q', '-o', '/dev/null', '-v', 'ON_ERROR_STOP=1', '-f', '-'];
  return runTool(target, 'psql', args, { ...options, input });
};

/** No single transaction: a failed restore is dropped anyway, and one would need a lock for every object at once. */
const loadCustom: typeof load = async (target, content, manifest, options) => {
  const { executor } = target.server;
  const spool = options.gently ? undefined : target.server.spool;
  const file = spool && (await openSpool(executor, spool, manifest.bytes));
  // Where tables lie is each server's own business. A copy that subscribes would take the changes meant for the live
  // database, and could not be dropped.
  const args = ['--exit-on-error', '--no-tablespaces', '--no-subscriptions'];
  if (spool === undefined || file === undefined)
    return runTool(target, 'pg_restore', args, { ...options, input: content });
  return withSpooled(executor, file, content, options, () =>
    runTool(target, 'pg_restore', [...args, `--jobs=${spool.jobs}`, file], options),
  );
};

/**
 * Gathers statistics. A dump brings none, and in a cold database nothing would gather them before the first user comes.
 * Without them it is slower and no less right, so a failure is nobody's: an expression of an index may not like it.
 */
const analyze = ({ server, name }: Target, { timeout, signal }: SessionOptions): Promise<void> =>
  withSession(server, name, { timeout, signal }, (session) => session.run('ANALYZE'));

/** Only a superuser may choose the language. */
const wordsOf = async (session: PsqlSession): Promise<Record<string, string>> => {
  const { free } = await session.row<{ free: boolean }>(
    'SELECT rolsuper AS free FROM pg_roles WHERE rolname = current_user',
  );
  return free ? { PGOPTIONS: '-c lc_messages=C' } : {};
};

const runTool = async (
  { server, name, words }: Target,
  tool: 'psql' | 'pg_restore',
  args: readonly string[],
  { gently, isForUse: _, ...options }: LoadOptions & Pick<CommandOptions, 'input'>,
): Promise<void> => {
  const argv = connectedTool(server, tool, name, args);
  await server.executor.run(gently ? [...GENTLY, ...argv] : argv, {
    ...options,
    // Their words tell trouble of the server from trouble with the backup.
    env: { ...server.tools.env(), ...words, LC_ALL: 'C' },
  });
};

/** Says nothing about the backup: an older one would fare no better, and would lose more. */
const SERVER_TROUBLE = new RegExp(
  [
    'No space left on device|Disk quota exceeded|Input/output error|Read-only file system',
    'out of (shared )?memory|terminating connection|server closed the connection',
    'connection to server|canceling statement',
    // What the other machine has installed, and this one has not.
    'extension ".*" is not available|could not open extension control file|could not (load|access) (library|file)',
    'unrecognized configuration parameter|shared_preload_libraries|can only create extension in database',
    'collation ".*" for encoding ".*" does not exist|could not create locale',
    // The tool itself: killed, not started, or the container engine's word.
    'was ended by SIG|could not be started|exited with (12[5-9]|1[3-9]\\d|255)|error during connect|Error response from daemon|docker daemon',
  ].join('|'),
);

const serverTrouble = ({ id }: Manifest, words: string, cause: unknown): ColdspareError =>
  new ColdspareError(
    'database-failed',
    `the database server could not restore ${id}: ${words}`,
    "look at the database server's log, its disk and its memory, then try again",
    { cause, value: id },
  );
