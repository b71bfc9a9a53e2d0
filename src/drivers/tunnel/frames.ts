import { Transform, type TransformCallback } from 'node:stream';

/** Bytes before each frame: its length, as a big-endian integer. */
const HEADER_BYTES = 4;

/** More than a stream ever reads at once. A larger one did not come from an agent. */
const LARGEST_FRAME = 1024 * 1024;

/** A frame without content. */
const HEARTBEAT = Buffer.alloc(HEADER_BYTES);

/** Puts each chunk into a frame. */
export class Framer extends Transform {
  /** Bytes of content. */
  framed = 0;

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const header = Buffer.allocUnsafe(HEADER_BYTES);
    header.writeUInt32BE(chunk.length);
    this.framed += chunk.length;
    // One piece: on a connection without delay, the header would be a packet of its own.
    done(null, Buffer.concat([header, chunk]));
  }

  /** Sends a heartbeat, unless something else waits to be sent. */
  beat(): void {
    if (this.readableLength === 0 && !this.writableEnded) this.push(HEARTBEAT);
  }
}

/** Takes the content out of frames. Fails on what is no frame. */
export class Unframer extends Transform {
  /** Bytes of content. */
  unframed = 0;
  /** Of the frame that is being read. */
  #left = 0;
  #header = Buffer.alloc(0);

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#left === 0) {
        const taken = HEADER_BYTES - this.#header.length;
        this.#header = Buffer.concat([this.#header, rest.subarray(0, taken)]);
        rest = rest.subarray(taken);
        if (this.#header.length < HEADER_BYTES) break;
        this.#left = this.#header.readUInt32BE();
        this.#header = Buffer.alloc(0);
        if (this.#left > LARGEST_FRAME) {
          done(new Error('the other side sends no frames'));
          return;
        }
      } else {
        const content = rest.subarray(0, this.#left);
        this.#left -= content.length;
        this.unframed += content.length;
        rest = rest.subarray(content.length);
        this.push(content);
      }
    }
    done();
  }
}
