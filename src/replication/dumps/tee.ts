import { Writable } from 'node:stream';

/**
 * Writes everything to both streams, at the pace of the slower one. When `aside` fails, `main` goes on alone. When
 * `main` fails or the tee is destroyed, `aside` is destroyed too.
 */
export const tee = (main: Writable, aside: Writable): Writable => {
  main.once('error', (error) => both.destroy(error));
  // The reader of `aside` gets the error. Here it only means that nothing more is written to it.
  aside.on('error', () => {});
  const both = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      main.write(chunk, (error) => {
        if (error) return done(error);
        if (aside.destroyed || aside.write(chunk)) return done();
        onceWritable(aside, done);
      });
    },
    final: (done) => {
      aside.end();
      main.end(done);
    },
    destroy: (error, done) => {
      if (!main.writableFinished) main.destroy(error ?? undefined);
      if (!aside.writableEnded) aside.destroy(error ?? new Error('broken off'));
      done(error);
    },
  });
  // Whoever waits for `main` gets the error from there.
  both.on('error', () => {});
  return both;
};

const onceWritable = (stream: Writable, go: () => void): void => {
  const once = () => {
    stream.off('drain', once);
    stream.off('close', once);
    go();
  };
  stream.once('drain', once);
  stream.once('close', once);
};
