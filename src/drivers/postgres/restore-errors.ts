import { ColdspareError, isError } from '../../domain/errors.js';
import type { Manifest } from '../../domain/manifest.js';
import { remedyOf } from './remedies.js';

/** Errors that already say what is at fault. */
const CLEAR = ['timed-out', 'backup-unusable', 'not-restorable', 'database-failed'] as const;

/** This server is at fault, not the backup. An older backup would fail in the same way, and would lose more. */
const SERVER_TROUBLE = new RegExp(
  [
    'No space left on device|Disk quota exceeded|Input/output error|Read-only file system',
    'out of (shared )?memory|terminating connection|server closed the connection',
    'connection to server|could not connect to server|connection to database ".*" failed|canceling statement',
    // How it looks to a program when the server has ended its session: with TLS, over a network, before it noticed.
    'SSL (SYSCALL )?error|SSL connection has been closed|could not (receive data from|send data to) server',
    'no connection to the server|lost synchronization with server',
    // Limits of the server, and damage on its own disk.
    'too many clients|could not fork|Too many open files|temp_file_limit|in a read-only transaction',
    'invalid page in block|could not (read|write) block',
    // Something is installed on the other machine and not on this one.
    'extension ".*" is not available|could not open extension control file|could not (load|access) (library|file)',
    'unrecognized configuration parameter|shared_preload_libraries|can only create extension in database',
    'collation ".*" for encoding ".*" does not exist|could not create locale|invalid value for parameter "lc_',
    'role ".*" does not exist',
    // The tool was killed or not started, or the container engine failed.
    'was ended by SIG|could not be started|exited with (12[5-9]|1[3-9]\\d|255)|error during connect|Error response from daemon|docker daemon',
  ].join('|'),
);

/** A line in which a program or the server speaks. All others may be a statement of the dump, with any words in it. */
const SPOKEN = /^((pg_restore|psql)(:[^:\s]*:\d+)?: |(ERROR|FATAL|PANIC|HINT): )/;

/** What a program said about its failure, without the statement and the rows that it quotes. */
const reasonOf = (message: string): string =>
  message
    .split('\n')
    .filter((line, at) => at === 0 || SPOKEN.test(line))
    .join('\n');

/**
 * What a failed restore of `manifest` means. Three things can be at fault: this server, the backup, or the database that
 * was dumped. In the last case any other backup of it fails as well, and so do all disks' checks.
 */
export const explainRestore = ({ id, format }: Manifest, error: unknown): unknown => {
  if (CLEAR.some((code) => isError(error, code))) return error;
  const message = error instanceof Error ? error.message : String(error);
  const reason = reasonOf(message);
  if (SERVER_TROUBLE.test(reason)) {
    return new ColdspareError(
      'database-failed',
      `the database server could not restore ${id}: ${reason}`,
      remedyOf(reason) ??
        "look at the database server's log, its disk and its memory, then try again",
      { cause: error, value: id },
    );
  }
  const refused = format === 'custom' ? refusedObject(message) : undefined;
  if (refused !== undefined) {
    return new ColdspareError(
      'not-restorable',
      `${refused.object} cannot be restored: ${refused.reason}`,
      `change it on the primary as the manual says under "Databases that cannot be restored", then POST /backups there`,
      { cause: error, value: refused.object },
    );
  }
  return new ColdspareError(
    'backup-unusable',
    `backup ${id} cannot be restored: ${reason}`,
    remedyOf(reason) ??
      'restore an older backup, or take a new one with POST /backups on the primary',
    { cause: error, value: id },
  );
};

/** What the server refused, and its words; undefined when the file was at fault. */
const refusedObject = (message: string): { object: string; reason: string } | undefined => {
  const reason = reasonOf(message);
  const said = /ERROR: {1,2}[^\n]*/.exec(reason)?.[0];
  if (said === undefined) return undefined;
  const hint = /^HINT: {1,2}([^\n]*)/m.exec(reason)?.[1];
  const table = /COPY failed for table ("(?:[^"]|"")*")/.exec(reason)?.[1];
  // No more of the statement: what it sets may be a secret.
  const statement = /^Command was: ([^(\n]{1,200})(?:\n +([^(\n]{1,200}))?/m.exec(message);
  const object = statement?.slice(1).join(' ').replace(/\s+/g, ' ').trim();
  return {
    object: table === undefined ? `"${object}"` : `the data of table ${table}`,
    reason: hint === undefined ? said : `${said} (${hint})`,
  };
};
