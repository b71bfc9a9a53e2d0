import { join } from 'node:path';

/** Where PostgreSQL's clients look for a server when `host` is a directory. */
export const socketPath = (directory: string, port: number): string =>
  join(directory, `.s.PGSQL.${port}`);
