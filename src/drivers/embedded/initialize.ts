import { mkdir, rename, rm } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { PGlite } from '@electric-sql/pglite';
import pg from 'pg';
import { layoutOf } from './layout.js';

/**
 * `initialize.js --directory=DIR --database=NAME` makes the template that every database starts as a copy of.
 * A program of its own, since it takes some 800 MB that the server would never give back.
 */
const main = async (): Promise<void> => {
  const { directory, database } = parseArgs({
    options: {
      directory: { type: 'string', default: '' },
      database: { type: 'string', default: '' },
    },
  }).values;
  const { template } = layoutOf(directory);
  const unfinished = `${template}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true, mode: 0o700 });
  const engine = await PGlite.create(unfinished, {
    database: 'template1',
    // The smallest write-ahead log: every database and every dump copies it.
    initDbStartParams: ['--wal-segsize=1'],
  });
  if (database !== 'postgres') {
    await engine.exec(`ALTER DATABASE postgres RENAME TO ${pg.escapeIdentifier(database)}`);
  }
  await engine.close();
  await rename(unfinished, template);
};

await main();
