import { Transform } from 'node:stream';
import { ColdspareError } from '../../domain/errors.js';

/** What every archive of pg_dump begins with. */
const MAGIC = 'PGDMP';

/**
 * Passes an archive on as it is. Whatever got in before it, such as a greeting of a shell, would make a backup that
 * nobody can restore (H41). The first chunk must have the whole beginning.
 */
export const checkArchive = (): Transform & { foreign: ColdspareError | undefined } => {
  let isFirst = true;
  const check = Object.assign(
    new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        if (isFirst && chunk.toString('latin1', 0, MAGIC.length) !== MAGIC)
          check.foreign = notAnArchive(chunk);
        isFirst = false;
        if (check.foreign === undefined) done(null, chunk);
        else done(check.foreign);
      },
    }),
    { foreign: undefined as ColdspareError | undefined },
  );
  return check;
};

const notAnArchive = (chunk: Buffer): ColdspareError => {
  const beginning = JSON.stringify(chunk.toString('latin1', 0, 40));
  return new ColdspareError(
    'database-failed',
    `what pg_dump wrote begins with ${beginning}, not with ${MAGIC}: it is no dump and is not kept`,
    'something prints before pg_dump does, such as a wrapper script: take that out',
    { value: beginning },
  );
};
