import { Readable, type Writable } from 'node:stream';
import type { Received } from './uploads.js';

/** A file that takes a dump. */
export interface OpenedDump {
  sink: Writable;
  received: Promise<Received>;
  /** The bytes as they come, for somebody who may be slower (see `followFile` below). */
  follow(onBytes: (done: number) => void): Readable;
  /** Calls back when more was written, whoever asked last. `follow` asks too. */
  onGrowth(listener: () => void): void;
}

/** A file that is being written. */
export interface GrowingFile {
  /** What is there from `at` on. */
  read(at: number): Promise<Readable>;
  /** Calls back, once, when more was written. */
  onGrowth(listener: () => void): void;
  /** Resolves when the file is complete; rejects when nothing comes of it. */
  received: Promise<Received>;
}

/**
 * The bytes of a file while it is being written, and to its end. Whoever writes never waits for whoever reads here. Fails
 * when the writing fails, so that nobody takes a part for the whole.
 */
export const followFile = (file: GrowingFile, onBytes: (done: number) => void): Readable => {
  const content = Readable.from(follow(file, onBytes), { objectMode: false });
  // Whoever reads it gets the error. Where nobody reads it any more, the error must not end the agent.
  content.on('error', () => {});
  return content;
};

async function* follow(
  { read, onGrowth, received }: GrowingFile,
  onBytes: (done: number) => void,
): AsyncGenerator<Buffer> {
  let end: number | undefined;
  let failure: { error: unknown } | undefined;
  const settled = received.then(
    ({ bytes }) => {
      end = bytes;
    },
    (error: unknown) => {
      failure = { error };
    },
  );
  for (let at = 0; ; ) {
    if (failure !== undefined) throw failure.error;
    // As it is before the look at the file.
    const isComplete = end !== undefined;
    const more = Promise.race([settled, new Promise<void>(onGrowth)]);
    const before = at;
    for await (const chunk of await read(at)) {
      at += chunk.length;
      yield chunk;
      onBytes(at);
    }
    if (at === end) return;
    if (at > before) continue;
    if (isComplete) throw new Error(`the dump ends at byte ${at} of ${end}`);
    await more;
  }
}
