import { readFile } from 'node:fs/promises';
import { PGlite } from '@electric-sql/pglite';
import { ColdspareError } from '../../../src/domain/errors.js';
import type { DatabaseGlobals } from '../../../src/domain/manifest.js';
import { createRoles, settingStatements } from '../../../src/drivers/postgres/globals.js';
import { identifier } from '../../../src/drivers/postgres/sql.js';
import { engineOptions } from './engine.js';
import { sessionOf } from './sql-session.js';

/**
 * Restores the plain SQL in `file` into the empty database in `directory`.
 * @throws ColdspareError `backup-unusable` when any statement fails
 */
export const restoreDump = async (
  directory: string,
  database: string,
  file: string,
  surroundings: DatabaseGlobals | undefined,
): Promise<void> => {
  const sql = await readFile(file, 'utf8');
  const engine = await PGlite.create(directory, engineOptions(database));
  try {
    // Roles are not inside a dump, yet its GRANT and OWNER statements name them.
    await createRoles(sessionOf(engine), surroundings?.roles ?? []);
    await engine.exec(stringsSetting(sql));
    await engine.exec(sql);
    if (surroundings !== undefined)
      await engine.exec(propertyStatements(database, surroundings).join(';'));
  } catch (cause) {
    throw failedRestore(cause);
  } finally {
    await engine.close();
  }
};

/**
 * How the dump wants strings to be read. The whole dump is one query, which PostgreSQL reads to its end before it
 * runs the first statement, so this setting has to run in a query before it.
 */
const stringsSetting = (sql: string): string =>
  /^SET standard_conforming_strings = (?:on|off);$/m.exec(sql.slice(0, 4_096))?.[0] ?? '';

const propertyStatements = (database: string, { owner, settings }: DatabaseGlobals): string[] => [
  `ALTER DATABASE ${identifier(database)} OWNER TO ${identifier(owner)}`,
  ...settingStatements('DATABASE', database, settings),
];

const failedRestore = (cause: unknown): ColdspareError =>
  new ColdspareError(
    'backup-unusable',
    `the dump cannot be restored: ${cause instanceof Error ? cause.message : String(cause)}`,
    'use the next older backup; nothing was changed',
    { cause },
  );
