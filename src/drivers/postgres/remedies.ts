import { ColdspareError, isError } from '../../domain/errors.js';

/** What to do about what PostgreSQL and its programs say, where their own hint is missing or does not reach a person. */
const REMEDIES: readonly [reason: RegExp, remedy: string][] = [
  [
    /No space left on device|Disk quota exceeded/,
    "free disk space on the database's machine, then try again",
  ],
  [
    /Read-only file system|Input\/output error|invalid page in block|could not (read|write) block/,
    "check the disk of the database's machine",
  ],
  [
    /out of shared memory/,
    'raise max_locks_per_transaction in postgresql.conf, restart PostgreSQL, then try again',
  ],
  [/out of memory/, "give the database's machine or container more memory, then try again"],
  [
    /too many clients|connection slots are reserved|too many connections/,
    'raise max_connections in postgresql.conf, or end sessions that nobody needs, then try again',
  ],
  [/password authentication failed/, 'check DB_USER and DB_PASSWORD'],
  [
    /no pg_hba\.conf entry/,
    'allow DB_USER in pg_hba.conf, for all databases, then reload PostgreSQL',
  ],
  [
    /role ".*" does not exist/,
    'create that role here as it is on the other server, then try again',
  ],
  [
    /database ".*" does not exist/,
    'the server works, but that database is missing: create it with CREATE DATABASE. The agent needs DB_NAME, and the database postgres to connect to',
  ],
  [
    /server version mismatch|unsupported version \(/,
    "install PostgreSQL's client programs of the server's version, the same on both servers, and set PG_BIN to their folder",
  ],
  [
    /extension ".*" is not available|extension control file|could not (load|access) (library|file)/,
    'install the package of that extension on this machine, then try again',
  ],
  [
    /unrecognized configuration parameter|shared_preload_libraries|can only create extension in database/,
    'set in postgresql.conf what the other server has there (such as shared_preload_libraries), restart PostgreSQL, then try again',
  ],
  [
    /collation ".*" for encoding|could not create locale|invalid value for parameter "lc_/,
    'install the missing locale on this machine ("locale -a" lists those that are installed), then restart PostgreSQL',
  ],
  [
    /canceling statement/,
    'the server cancelled a statement: see which time-out it has (statement_timeout, lock_timeout), then try again',
  ],
  [
    /terminating connection|server closed the connection|connection to server .* (lost|closed)|SSL (SYSCALL )?error|SSL connection has been closed|(receive data from|send data to|no connection to the) server/,
    'the server ended the session: its log says why. Then try again',
  ],
];

/** The error of a program, with the remedy for its reason where that is known. */
export const withRemedy = (error: unknown): unknown => {
  const remedy = isError(error, 'command-failed') ? remedyOf(error.message) : undefined;
  if (!isError(error, 'command-failed') || remedy === undefined) return error;
  return new ColdspareError(error.code, error.message, remedy, {
    cause: error,
    value: error.value,
  });
};

/** The remedy for a reason that is known; undefined for any other. */
export const remedyOf = (reason: string): string | undefined =>
  REMEDIES.find(([pattern]) => pattern.test(reason))?.[1];
