import { readFile } from 'node:fs/promises';
import { PGlite } from '@electric-sql/pglite';
import pg from 'pg';
import { ColdspareError } from '../../domain/errors.js';
import type { DatabaseGlobals } from '../../domain/manifest.js';
import { settingStatements } from '../postgres/globals.js';
import { engineOptions } from './engine.js';

const TRAILER = /\n--\n-- PostgreSQL database dump complete\n--\n\s*$/;
const TRAILER_WINDOW = 256;

/** Whether plain SQL ends as pg_dump ends it. A file that was cut between two statements parses as well (H05). */
export const isCompleteDump = (sql: Uint8Array): boolean =>
  TRAILER.test(Buffer.from(sql.subarray(-TRAILER_WINDOW)).toString('latin1'));

/**
 * Restores the plain SQL in `file` into the empty database in `directory`.
 * @throws ColdspareError `backup-unusable` when it is cut or when any statement fails
 */
export const restoreDump = async (
  directory: string,
  database: string,
  file: string,
  surroundings: DatabaseGlobals | undefined,
): Promise<void> => {
  const sql = await readFile(file);
  if (!isCompleteDump(sql)) throw cutDump(sql.length);
  const engine = await PGlite.create(directory, engineOptions(database));
  try {
    if (surroundings !== undefined) await createRoles(engine, surroundings);
    const [settings, statements] = splitSettings(sql.toString('utf8'));
    await engine.exec(settings);
    await engine.exec(statements);
    if (surroundings !== undefined) await restoreProperties(engine, database, surroundings);
  } catch (cause) {
    throw failedRestore(cause);
  } finally {
    await engine.close();
  }
};

const STRINGS_SETTING = /^SET standard_conforming_strings = (?:on|off);$/m;

/**
 * One query is read as a whole before its first statement runs, so a setting that changes how strings are read
 * must go ahead in a query of its own.
 */
const splitSettings = (sql: string): [settings: string, statements: string] => {
  const setting = STRINGS_SETTING.exec(sql.slice(0, 4_096));
  const end = setting === null ? 0 : setting.index + setting[0].length;
  return [sql.slice(0, end), sql.slice(end)];
};

/** Roles are not inside a dump, yet its GRANT and OWNER statements name them. */
const createRoles = async (engine: PGlite, { roles }: DatabaseGlobals): Promise<void> => {
  const { rows } = await engine.query<{ name: string }>('SELECT rolname AS name FROM pg_roles');
  const present = new Set(rows.map((row) => row.name));
  const missing = roles.filter((role) => !present.has(role.name));
  for (const role of missing) {
    const may = [
      role.login && 'LOGIN',
      role.superuser && 'SUPERUSER',
      role.createDb && 'CREATEDB',
      role.createRole && 'CREATEROLE',
      role.verifier !== undefined && `PASSWORD ${pg.escapeLiteral(role.verifier)}`,
    ];
    await engine.exec(
      `CREATE ROLE ${pg.escapeIdentifier(role.name)} ${may.filter(Boolean).join(' ')}`,
    );
  }
  for (const role of missing) {
    for (const group of role.memberOf) {
      await engine.exec(`GRANT ${pg.escapeIdentifier(group)} TO ${pg.escapeIdentifier(role.name)}`);
    }
  }
};

const restoreProperties = async (
  engine: PGlite,
  database: string,
  { owner, settings }: DatabaseGlobals,
): Promise<void> => {
  await engine.exec(
    `ALTER DATABASE ${pg.escapeIdentifier(database)} OWNER TO ${pg.escapeIdentifier(owner)}`,
  );
  for (const statement of settingStatements('DATABASE', database, settings))
    await engine.exec(statement);
};

const cutDump = (bytes: number): ColdspareError =>
  new ColdspareError(
    'backup-unusable',
    `the dump of ${bytes} bytes is cut: "PostgreSQL database dump complete" is missing at its end`,
    'use the next older backup; nothing was changed',
    { value: bytes },
  );

const failedRestore = (cause: unknown): ColdspareError =>
  new ColdspareError(
    'backup-unusable',
    `the dump cannot be restored: ${cause instanceof Error ? cause.message : String(cause)}`,
    'use the next older backup; nothing was changed',
    { cause },
  );
