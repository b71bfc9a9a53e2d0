import { writeFile } from 'node:fs/promises';
import { PGlite } from '@electric-sql/pglite';
import { pgDump } from '@electric-sql/pglite-tools/pg_dump';
import { readMarker } from '../../../src/domain/marker.js';
import { readGlobals } from '../../../src/drivers/postgres/globals.js';
import { readInventory } from '../../../src/drivers/postgres/inventory.js';
import type { DumpFacts } from '../../../src/ports/stack.js';
import { readComment } from './comment.js';
import { engineOptions } from './engine.js';
import { sessionOf } from './sql-session.js';

/**
 * pglite-tools removes every line that starts with `\restrict` or `\unrestrict`, also inside a value or a function.
 * With these two no such line is left: backslashes are doubled, and functions are quoted like values.
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
    const session = sessionOf(engine);
    const facts: DumpFacts = {
      format: 'plain',
      ...(await session.row<Pick<DumpFacts, 'serverVersion' | 'databaseBytes'>>(
        `SELECT current_setting('server_version') AS "serverVersion",
                pg_database_size(current_database()) AS "databaseBytes"`,
      )),
      marker: readMarker(await readComment(engine)),
      inventory: await readInventory(session),
      surroundings: await readGlobals(session),
    };
    const dump = await pgDump({ pg: engine, args: ['--dbname', database, QUOTE_FUNCTIONS] });
    await writeFile(file, new Uint8Array(await dump.arrayBuffer()), { mode: 0o600 });
    return facts;
  } finally {
    await engine.close();
  }
};
