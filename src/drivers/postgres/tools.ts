import { join } from 'node:path';
import type { Executor } from '../command.js';
import type { Spool } from './spool.js';

/** Where PostgreSQL's own programs are: on this machine, or in the database's container. */
export interface PostgresTools {
  argv(tool: 'psql' | 'pg_dump' | 'pg_restore', args: readonly string[]): string[];
  /** What goes with them by environment: the password, never shown in a process list. */
  env(): Record<string, string>;
}

/** The programs as a machine has them. */
export const localTools = ({ password, folder }: LocalToolsOptions): PostgresTools => ({
  argv: (tool, args) => [folder === undefined ? tool : join(folder, tool), ...args],
  env: () => (password === undefined ? {} : { PGPASSWORD: password }),
});

interface LocalToolsOptions {
  password: string | undefined;
  /** Where the tools are when not in PATH. */
  folder: string | undefined;
}

export interface Server {
  /** Runs the tools. */
  readonly executor: Executor;
  readonly tools: PostgresTools;
  /** As the tools reach it, always over TCP: a container's first-run server answers on the socket only (H24). */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** For restores in several jobs; without it they have one. */
  readonly spool?: Spool | undefined;
}

/** Seconds; PostgreSQL takes nothing finer, and 2 is its shortest. */
const CONNECT_TIMEOUT = 5;

/** `argv` of a tool connected to `database`. Any name is safe in a connection string, unlike as a plain argument. */
export const connectedTool = (
  server: Server,
  tool: 'psql' | 'pg_dump' | 'pg_restore',
  database: string,
  args: readonly string[],
): string[] => {
  const parameters = {
    host: server.host,
    port: server.port,
    user: server.user,
    dbname: database,
    connect_timeout: CONNECT_TIMEOUT,
    application_name: 'coldspare',
    // A dump keeps the encoding that its database has.
    ...(tool === 'psql' && { client_encoding: 'UTF8' }),
  };
  const connection = Object.entries(parameters)
    .map(([name, value]) => `${name}='${String(value).replace(/['\\]/g, '\\$&')}'`)
    .join(' ');
  return server.tools.argv(tool, [...args, '--no-password', `--dbname=${connection}`]);
};
