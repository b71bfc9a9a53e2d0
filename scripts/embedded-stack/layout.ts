import { join } from 'node:path';
import type { Staging } from '../../src/ports/stack.js';

/** Where an embedded stack keeps what on disk, and by which argument each of its processes is found. */
export interface Layout {
  directory: string;
  /** A new, empty cluster that every database starts as a copy of. */
  template: string;
  /** Which database lives in which directory, and which one is frozen. */
  catalog: string;
  databases: string;
  /** A dump on its way out, or on its way in. */
  outgoingDump: string;
  arrivingDump: Record<Staging, string>;
  /** Unix socket on which the database server takes the driver's requests. */
  controlSocket: string;
  databaseLog: string;
  appLog: string;
  marks: { app: string; database: string; initialize: string };
}

export const layoutOf = (directory: string): Layout => ({
  directory,
  template: join(directory, 'template'),
  catalog: join(directory, 'catalog.json'),
  databases: join(directory, 'databases'),
  outgoingDump: join(directory, 'outgoing.sql'),
  arrivingDump: { incoming: join(directory, 'incoming.sql'), drill: join(directory, 'drill.sql') },
  controlSocket: join(directory, 'control.sock'),
  databaseLog: join(directory, 'database.log'),
  appLog: join(directory, 'app.log'),
  marks: {
    app: `--coldspare-app=${directory}`,
    database: `--coldspare-database=${directory}`,
    initialize: `--coldspare-initialize=${directory}`,
  },
});
