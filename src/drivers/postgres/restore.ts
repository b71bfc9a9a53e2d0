import type { Readable } from 'node:stream';
import { ColdspareError, isError } from '../../domain/errors.js';
import type { Manifest } from '../../domain/manifest.js';
import { createRoles, settingStatements } from './globals.js';
import { type LoadOptions, load } from './load.js';
import { createLoader, ENGLISH, type Loader, mayLogIn, removeLoader } from './loader.js';
import { type PsqlSession, type SessionOptions, withSession } from './psql-session.js';
import type { Server } from './server.js';
import type { SpoolFile } from './spool.js';
import { identifier, literal } from './sql.js';
import { usableTextSettings } from './text-settings.js';

const DROP_TIMEOUT_MS = 60_000;

interface Target {
  server: Server;
  /** The database to connect to while `name` does not exist. */
  maintenance: string;
  /** The database to restore into. Never the live one. */
  name: string;
  file: SpoolFile;
}

/**
 * Restores `content` as the database of that name, or leaves none.
 * @throws ColdspareError `backup-unusable` when the content cannot be restored as a whole, `not-restorable` when
 * PostgreSQL refuses an object of the dumped database
 */
export const restoreDatabase = async (
  target: Target,
  content: Readable,
  manifest: Manifest,
  options: LoadOptions,
): Promise<void> => {
  const { server, maintenance, name } = target;
  // Content may break before it is read. Whoever reads it then reports that; an `error` event that nobody listens to
  // would end the agent.
  content.on('error', () => {});
  let loader: Loader | undefined;
  try {
    // Without the signal: a session that is cut would let the server finish CREATE DATABASE after our DROP DATABASE.
    const settings = await withSession(
      server,
      maintenance,
      { timeout: options.timeout },
      async (session) => {
        await createEmpty(session, name, manifest, options);
        if (manifest.format === 'custom') loader = await createLoader(session, target.file);
        return [
          ...(await usableTextSettings(session, manifest)),
          ...(await englishSettings(session)),
        ];
      },
    );
    if (loader !== undefined && !(await mayLogIn(server, name, loader, options))) {
      options.note(
        `its rows were loaded by DB_USER, so that code of the app ran with its rights: allow ${loader.user} in pg_hba.conf`,
      );
      await removeLoader(server, maintenance, loader, options);
      loader = undefined;
    }
    await load(
      {
        ...target,
        server: { ...server, settings: [...(server.settings ?? []), ...settings] },
        loader,
      },
      content,
      manifest,
      options,
    );
    // Users may come to it, and nobody waits for it now.
    if (options.gently && target.file === 'incoming')
      await analyze(target, options).catch(() => options.signal?.throwIfAborted());
    if (loader !== undefined) await removeLoader(server, name, loader, options);
  } catch (error) {
    content.destroy();
    // If the server died, this fails too; the next restore drops what is left.
    await dropDatabase(server, maintenance, name).catch(() => {});
    if (loader !== undefined)
      await removeLoader(server, maintenance, loader, { timeout: DROP_TIMEOUT_MS });
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
  { note }: Pick<LoadOptions, 'note'>,
): Promise<void> => {
  await drop(session, name);
  if (globals === undefined)
    return session.run(`CREATE DATABASE ${identifier(name)} TEMPLATE template0`);
  for (const withheld of await createRoles(session, globals.roles)) note(withheld);
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

/**
 * Gathers statistics, which a dump does not hold; without them, the first users would find the database slow. A failure
 * is ignored because statistics are not data: an expression of an index may raise an error.
 */
const analyze = (
  { server, name }: Pick<Target, 'server' | 'name'>,
  { timeout, signal }: SessionOptions,
): Promise<void> =>
  withSession(server, name, { timeout, signal }, (session) => session.run('ANALYZE'));

/** Makes the server's messages English, because they are read. Only a superuser may set their language. */
const englishSettings = async (session: PsqlSession): Promise<string[]> => {
  const { superuser } = await session.row<{ superuser: boolean }>(
    'SELECT rolsuper AS superuser FROM pg_roles WHERE rolname = current_user',
  );
  return superuser ? [ENGLISH] : [];
};
