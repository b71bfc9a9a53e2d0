import { Transform } from 'node:stream';
import { ColdspareError } from '../../domain/errors.js';
import { PlainDumpReader } from '../../domain/plain-dump.js';

/** Passes a plain dump on as far as it was checked. Breaks when it is torn, or would leave the database. */
export const checkPlainDump = (id: string): Transform => {
  const reader = new PlainDumpReader();
  const refusal = () =>
    reader.fault === undefined
      ? null
      : new ColdspareError(
          'backup-unusable',
          `backup ${id} cannot be restored: ${reader.fault}`,
          'take a new backup with POST /backups on the primary',
          { value: id },
        );
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const checked = reader.read(chunk.toString('latin1'));
      done(refusal(), Buffer.from(checked, 'latin1'));
    },
    flush(done) {
      const checked = reader.end();
      done(refusal(), Buffer.from(checked, 'latin1'));
    },
  });
};
