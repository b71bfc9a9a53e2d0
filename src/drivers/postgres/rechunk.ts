import { Transform } from 'node:stream';

const PIECE = 256 * 1024;

/**
 * The same bytes in fewer pieces. pg_dump writes some 4 KiB at a time, and each piece costs the same on its way to the
 * disk and to the other node, be it large or small.
 */
export const inLargePieces = (): Transform => {
  let waiting: Buffer[] = [];
  let bytes = 0;
  const take = (): Buffer => {
    const piece = Buffer.concat(waiting, bytes);
    waiting = [];
    bytes = 0;
    return piece;
  };
  return new Transform({
    readableHighWaterMark: PIECE,
    transform: (chunk: Buffer, _encoding, done) => {
      waiting.push(chunk);
      bytes += chunk.length;
      if (bytes < PIECE) done();
      else done(null, take());
    },
    flush: (done) => {
      if (bytes > 0) done(null, take());
      else done();
    },
  });
};
