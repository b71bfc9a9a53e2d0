import { Transform } from 'node:stream';
import { ColdspareError } from '../../domain/errors.js';

/** pg_dump writes this last. psql restores a file that lacks it, and calls that a success (H05). */
const LAST_LINE = 'PostgreSQL database dump complete';
const TAIL_BYTES = 400;

/**
 * Passes a plain dump on, and breaks when it is not whole, or when it would leave the database it is restored
 * into: `pg_dump --create` writes a `\connect` to the live one. Rows never begin with `\c`, for pg_dump doubles
 * their backslashes.
 */
export const checkPlainDump = (): Transform => {
  let tail = Buffer.from('\n');
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const seen = Buffer.concat([tail, chunk]);
      tail = seen.subarray(-TAIL_BYTES);
      if (seen.includes('\n\\c'))
        done(unusable('it connects to another database (pg_dump --create)'));
      else done(null, chunk);
    },
    flush(done) {
      done(tail.includes(LAST_LINE) ? null : unusable(`its last line, "${LAST_LINE}", is missing`));
    },
  });
};

const unusable = (why: string) =>
  new ColdspareError(
    'backup-unusable',
    `the plain dump cannot be restored: ${why}`,
    'take a new backup with POST /backups on the primary',
  );
