import { describe, expect, test } from 'vitest';
import { ColdspareError } from '../../src/domain/errors.js';
import { explainRestore } from '../../src/drivers/postgres/restore-errors.js';
import { lastLines } from '../../src/drivers/program-streams.js';
import { manifestOf } from '../contract/stack-contract.js';

const manifest = manifestOf(
  {
    format: 'custom',
    serverVersion: '15.18',
    marker: undefined,
    databaseBytes: 1,
    inventory: { rows: {}, sequences: {}, largeObjects: 0 },
    surroundings: {
      encoding: 'UTF8',
      collate: 'C',
      ctype: 'C',
      owner: 'o',
      settings: {},
      roles: [],
    },
  },
  Buffer.from('PGDMP'),
);

/** What a restore fails with when pg_restore has said this. */
const failedWith = (stderr: string): unknown => {
  const message = `pg_restore exited with 1: ${lastLines(stderr)}`;
  return explainRestore(manifest, new ColdspareError('command-failed', message, 'none'));
};
const wide = `CREATE TABLE public.t_1 (\n${'    some_column text,\n'.repeat(500)});\n`;

describe('H48: the reason why a restore failed stands above a long statement', () => {
  test.each([
    'FATAL:  terminating connection due to administrator command',
    'ERROR:  could not extend file "base/5/1": No space left on device',
    'server closed the connection unexpectedly',
    // A server that has TLS, as Debian's does by default, and is killed.
    'SSL SYSCALL error: EOF detected',
    'SSL connection has been closed unexpectedly',
    'could not receive data from server: Connection reset by peer',
    'no connection to the server',
    'ERROR:  temporary file size exceeds temp_file_limit (1024kB)',
    'ERROR:  cannot execute CREATE TABLE in a read-only transaction',
    'ERROR:  invalid page in block 7 of relation base/16384/1259',
  ])('%s: the server is at fault, and no older backup is used', (reason) => {
    const error = failedWith(
      `pg_restore: error: could not execute query: ${reason}\nCommand was: ${wide}\n\npg_restore: error: a worker process died unexpectedly\n`,
    );
    expect(error).toMatchObject({
      code: 'database-failed',
      message: expect.stringContaining(reason),
    });
  });

  test('the words of a statement are no reason', () => {
    const error = failedWith(
      `pg_restore: error: could not execute query: ERROR:  syntax error\nCommand was: COMMENT ON TABLE t IS 'since\nNo space left on device we keep less';\n`,
    );
    expect(error).toMatchObject({ code: 'not-restorable' });
  });

  test('a broken file is still the fault of the backup', () => {
    expect(
      failedWith('pg_restore: error: could not read from input file: end of file\n'),
    ).toMatchObject({ code: 'backup-unusable' });
  });
});
