import { Transform } from 'node:stream';

const CHUNK_BYTES = 256 * 1024;

/**
 * Passes the same bytes on in larger chunks. pg_dump writes about 4 KiB at a time, and each chunk has a fixed cost on
 * its way to the disk and to the other node.
 */
export const rechunk = (): Transform => {
  let waiting: Buffer[] = [];
  let bytes = 0;
  const take = (): Buffer => {
    const chunk = Buffer.concat(waiting, bytes);
    waiting = [];
    bytes = 0;
    return chunk;
  };
  return new Transform({
    readableHighWaterMark: CHUNK_BYTES,
    transform: (chunk: Buffer, _encoding, done) => {
      waiting.push(chunk);
      bytes += chunk.length;
      if (bytes < CHUNK_BYTES) done();
      else done(null, take());
    },
    flush: (done) => {
      if (bytes > 0) done(null, take());
      else done();
    },
  });
};
