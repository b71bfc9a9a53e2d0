import { writeFile } from 'node:fs/promises';
import { PGlite } from '@electric-sql/pglite';
import { pgDump } from '@electric-sql/pglite-tools/pg_dump';
import { ColdspareError } from '../../domain/errors.js';
import { readMarker } from '../../domain/marker.js';
import type { DumpFacts } from '../../ports/stack.js';
import {
  readComment,
  readGlobals,
  readInventory,
  readServerVersion,
  readSize,
} from './contents.js';
import { engineOptions } from './engine.js';
import { isCompleteDump } from './restore.js';

/**
 * pglite-tools removes every line that starts with `\restrict` or `\unrestrict`, inside a value or a function
 * too. With these two no line of theirs can start so: backslashes are doubled, and functions quoted like values.
 */
const DOUBLE_BACKSLASHES = { standard_conforming_strings: 'off' };
const QUOTE_FUNCTIONS = '--disable-dollar-quoting';

/**
 * Writes the database in `directory` to `file` as plain SQL. `directory` must be a copy that nobody else uses:
 * pg_dump leaves its transaction open and the session's settings changed.
 */
export const dumpCopy = async (
  directory: string,
  database: string,
  file: string,
): Promise<DumpFacts> => {
  const engine = await PGlite.create(directory, engineOptions(database, DOUBLE_BACKSLASHES));
  try {
    const facts: DumpFacts = {
      format: 'plain',
      serverVersion: await readServerVersion(engine),
      marker: readMarker(await readComment(engine)),
      databaseBytes: await readSize(engine),
      inventory: await readInventory(engine),
      surroundings: await readGlobals(engine),
    };
    const dump = await pgDump({ pg: engine, args: ['--dbname', database, QUOTE_FUNCTIONS] });
    const sql = new Uint8Array(await dump.arrayBuffer());
    if (!isCompleteDump(sql)) throw tornDump(database, sql.length);
    await writeFile(file, sql, { mode: 0o600 });
    return facts;
  } finally {
    await engine.close();
  }
};

const tornDump = (database: string, bytes: number): ColdspareError =>
  new ColdspareError(
    'database-failed',
    `pg_dump of ${database} stopped after ${bytes} bytes without saying so`,
    'take the backup again; the database itself was not touched',
    { value: bytes },
  );
