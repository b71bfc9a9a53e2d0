import { Writable } from 'node:stream';

/**
 * What goes in goes into both, at the pace of the slower one. When `aside` breaks, `main` goes on alone; when
 * `main` does, or the tee is destroyed, so does `aside`.
 */
export const tee = (main: Writable, aside: Writable): Writable => {
  main.once('error', (error) => both.destroy(error));
  // Whoever reads the other end of it is told; here its failure only means that it takes no more.
  aside.on('error', () => {});
  const both = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      main.write(chunk, (error) => {
        if (error) return done(error);
        if (aside.destroyed || aside.write(chunk)) return done();
        whenReady(aside, done);
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
  // Who waits for `main` to end is told by that.
  both.on('error', () => {});
  return both;
};

const whenReady = (stream: Writable, go: () => void): void => {
  const once = () => {
    stream.off('drain', once);
    stream.off('close', once);
    go();
  };
  stream.once('drain', once);
  stream.once('close', once);
};
