import { join } from 'node:path';
import type { Executor } from '../run-command.js';

/** A PostgreSQL server, and how its own programs reach it. */
export interface Server {
  /** Runs the programs: on this machine, on another one, or in the database's container. */
  readonly executor: Executor;
  /** As the programs reach it, always over TCP: a container's first-run server answers on the socket only (H24). */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password?: string | undefined;
  /** Folder of psql, pg_dump and pg_restore; default: PATH. */
  readonly programs?: string | undefined;
  /** Settings of each session, as `name=value`. */
  readonly settings?: readonly string[];
  /** Where a restore may put a dump to read it with several jobs. Without it, a restore has one job. */
  readonly spool?: Spool | undefined;
}

/** pg_restore with several jobs reads a dump out of order, so it needs a file. */
export interface Spool {
  /** A folder where the programs run. Only one restore uses it at a time. */
  readonly folder: string;
  readonly jobs: number;
}

/** The live database of a server, as a stack is configured. */
export type DatabaseAddress = Pick<Server, 'host' | 'port' | 'user' | 'password'> & {
  name: string;
};

type Tool = 'psql' | 'pg_dump' | 'pg_restore';

/** Seconds. libpq accepts whole seconds only, and nothing below 2. */
const CONNECT_TIMEOUT = 5;

export const toolArgv = (
  { programs }: Pick<Server, 'programs'>,
  tool: Tool,
  args: readonly string[],
): string[] => [programs === undefined ? tool : join(programs, tool), ...args];

/**
 * The password goes by environment, because a process list shows arguments. The labels of errors (DETAIL, HINT) are in
 * English, because rows are told from the rest by them.
 */
export const toolEnv = ({ password }: Server): Record<string, string> => ({
  LC_ALL: 'C',
  ...(password !== undefined && { PGPASSWORD: password }),
});

/** `argv` of a tool connected to `database`. A connection string takes any name; a plain argument does not. */
export const connectedTool = (
  server: Server,
  tool: Tool,
  database: string,
  args: readonly string[],
  application = 'coldspare',
): string[] => {
  const parameters = {
    host: server.host,
    port: server.port,
    user: server.user,
    dbname: database,
    connect_timeout: CONNECT_TIMEOUT,
    application_name: application,
    ...(server.settings?.length && { options: server.settings.map(startOption).join(' ') }),
    // Not for pg_dump: a dump keeps the encoding of its database.
    ...(tool === 'psql' && { client_encoding: 'UTF8' }),
  };
  const connection = Object.entries(parameters)
    .map(([name, value]) => `${name}='${String(value).replace(/['\\]/g, '\\$&')}'`)
    .join(' ');
  return toolArgv(server, tool, [...args, '--no-password', `--dbname=${connection}`]);
};

/** A blank ends an option, unless it is escaped. */
const startOption = (setting: string): string => `-c ${setting.replace(/[\\\s]/g, '\\$&')}`;
