import { PassThrough, Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { describe, expect, test } from 'vitest';
import { tee } from '../../src/replication/dumps/tee.js';

const CHUNK = 'x'.repeat(1_000);

/** What is written to it comes into `taken`; with `fail`, the write after that many chunks breaks it. */
const keep = (fail = Number.POSITIVE_INFINITY) => {
  const taken: string[] = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      if (taken.length >= fail) return done(new Error('the disk is full'));
      taken.push(String(chunk));
      done();
    },
  });
  return { stream, taken };
};

const chunks = (count: number) => Readable.from(Array.from({ length: count }, () => CHUNK));

describe('a dump that goes to the disk and to the other node at once', () => {
  test('comes out whole on both sides', async () => {
    const main = keep();
    const aside = new PassThrough();
    const [arrived] = await Promise.all([
      text(aside),
      pipeline(chunks(200), tee(main.stream, aside)),
    ]);
    expect(arrived).toBe(CHUNK.repeat(200));
    expect(main.taken.join('')).toBe(arrived);
  });

  test('waits for a slow network, so that no memory fills up', async () => {
    const main = keep();
    const aside = new PassThrough({ writableHighWaterMark: 10_000, readableHighWaterMark: 1_000 });
    const done = pipeline(chunks(200), tee(main.stream, aside));
    await new Promise((resolve) => aside.once('readable', resolve));
    await new Promise(setImmediate);
    expect(main.taken.length).toBeLessThan(20);
    aside.resume();
    await done;
    expect(main.taken).toHaveLength(200);
  });

  test('goes on to the disk alone when the network breaks, at once and while it waits', async () => {
    for (const atOnce of [true, false]) {
      const main = keep();
      const aside = new PassThrough({ writableHighWaterMark: 2_000 });
      if (atOnce) aside.destroy();
      const done = pipeline(chunks(200), tee(main.stream, aside));
      setImmediate(() => aside.destroy(new Error('the link is cut')));
      await done;
      expect(main.taken).toHaveLength(200);
    }
  });

  test('is not mistaken for whole by the other node when the disk is full', async () => {
    const aside = new PassThrough();
    const arrived = text(aside);
    const written = pipeline(chunks(200), tee(keep(3).stream, aside));
    await expect(arrived).rejects.toThrow('the disk is full');
    await expect(written).rejects.toThrow('the disk is full');
  });

  test('is not mistaken for whole by either when it breaks off', async () => {
    const main = keep();
    const aside = new PassThrough();
    const arrived = text(aside);
    const both = tee(main.stream, aside);
    both.write(CHUNK);
    both.destroy();
    await expect(arrived).rejects.toThrow();
    expect(main.stream.destroyed).toBe(true);
    expect(main.stream.writableFinished).toBe(false);
  });
});
