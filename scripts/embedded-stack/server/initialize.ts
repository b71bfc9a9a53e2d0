import { mkdir, rename, rm } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { PGlite } from '@electric-sql/pglite';
import { identifier } from '../../../src/drivers/postgres/sql.js';
import { layoutOf } from '../layout.js';

/**
 * `initialize.js --coldspare-initialize=DIR --database=NAME` makes the template that every database starts as a copy
 * of. A program of its own, since it takes some 800 MB that the server would never give back.
 */
const main = async (): Promise<void> => {
  const { 'coldspare-initialize': directory, database } = parseArgs({
    options: {
      'coldspare-initialize': { type: 'string', default: '' },
      database: { type: 'string', default: '' },
    },
  }).values;
  const { template } = layoutOf(directory);
  const unfinished = `${template}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true, mode: 0o700 });
  // Every database and every dump copies this directory: the smallest write-ahead log, and nothing but the database.
  const first = await PGlite.create(unfinished, {
    database: 'template1',
    initDbStartParams: ['--wal-segsize=1'],
  });
  if (database !== 'postgres')
    await first.exec(`ALTER DATABASE postgres RENAME TO ${identifier(database)}`);
  await first.close();
  const second = await PGlite.create(unfinished, { database });
  for (const other of ['template0', 'template1']) {
    await second.exec(`ALTER DATABASE ${other} IS_TEMPLATE false`);
    await second.exec(`DROP DATABASE ${other}`);
  }
  await second.close();
  await rename(unfinished, template);
};

main().catch((error: unknown) => {
  console.error(`cannot initialize: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
});
