import { parseArgs } from 'node:util';
import { layoutOf } from '../layout.js';
import { serveControl } from './control-server.js';
import { DatabaseService } from './database-service.js';

/**
 * The database server of the embedded stack, a process of its own:
 * `database-server.js --coldspare-database=DIR --database=NAME --port=PORT`. SIGTERM ends it in order; SIGKILL loses
 * nothing that was committed.
 */
const main = async (): Promise<void> => {
  const values = parseArgs({
    options: {
      'coldspare-database': { type: 'string', default: '' },
      database: { type: 'string', default: '' },
      port: { type: 'string', default: '' },
    },
  }).values;
  const { 'coldspare-database': directory, database, port } = values;
  const layout = layoutOf(directory);
  const service = new DatabaseService({ layout, database, port: Number(port) });
  process.once('SIGTERM', async () => {
    await service.close();
    process.exit(0);
  });
  await serveControl(service, layout.controlSocket);
  console.log(`serving ${database} on port ${port} as process ${process.pid}`);
};

main().catch((error: unknown) => {
  console.error(error);
  // The driver shows the last line.
  console.error(`the database server ends: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
});
