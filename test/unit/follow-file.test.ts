import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterEach, expect, test } from 'vitest';
import { followFile } from '../../src/backups/follow-file.js';
import type { Received } from '../../src/backups/uploads.js';
import { request } from '../../src/operations/commands.js';
import { createFakeNode, type FakeNode, takesBackups } from '../support/fake-node.js';

/** A file that grows by `write`, and the bytes that follow it. */
const growing = () => {
  let content = '';
  let onGrowth = () => {};
  let settle: { resolve(received: Received): void; reject(error: Error): void } | undefined;
  const received = new Promise<Received>((resolve, reject) => {
    settle = { resolve, reject };
  });
  received.catch(() => {});
  const seen: number[] = [];
  const followed = followFile(
    {
      read: async (at) =>
        Readable.from(at < content.length ? [Buffer.from(content.slice(at))] : []),
      onGrowth: (listener) => {
        onGrowth = listener;
      },
      received,
    },
    (done) => seen.push(done),
  );
  return {
    followed,
    seen,
    write: (more: string) => {
      content += more;
      onGrowth();
    },
    end: (bytes = content.length) => settle?.resolve({ bytes, sha256: '' }),
    fail: () => settle?.reject(new Error('the disk is full')),
  };
};
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('everything that is written arrives, in its order, and its end with the end of the file', async () => {
  const { followed, seen, write, end } = growing();
  const arrived = text(followed);
  for (const part of ['one ', 'two ', 'three ']) {
    write(part);
    await turn();
  }
  write('four');
  end();
  expect(await arrived).toBe('one two three four');
  expect(seen.at(-1)).toBe(18);
});

test('what is not whole is not taken for whole', async () => {
  const broken = growing();
  broken.write('half');
  const arrived = text(broken.followed);
  await turn();
  broken.fail();
  await expect(arrived).rejects.toThrow('the disk is full');

  const short = growing();
  short.write('short');
  short.end(100);
  await expect(text(short.followed)).rejects.toThrow('the dump ends at byte 5 of 100');
});

let fake: FakeNode | undefined;
afterEach(() => fake?.remove());

test('a dump does not wait for a slow network, and the whole of it arrives after its commit', async () => {
  fake = await createFakeNode('primary');
  const { node } = fake;
  takesBackups(node.peer);
  let content: Readable | undefined;
  let arrived = '';
  let onArrived = () => {};
  node.peer.upload = async (_id, sent) => {
    content = sent;
    await new Promise<void>((resolve) => {
      onArrived = resolve;
    });
    return { bytes: arrived.length, sha256: '' };
  };
  const { id } = await request(node, 'backup', { reason: '' }, { source: 'operator' });
  // The network takes nothing, and the backup is on this disk.
  await expect.poll(() => node.backups.list().length, { timeout: 30_000 }).toBe(1);
  if (content === undefined) throw new Error('nothing is sent');
  arrived = await text(content);
  onArrived();
  expect(await node.runner.wait(id, 30_000)).toMatchObject({ state: 'done' });
  expect(JSON.parse(arrived)).toEqual({ 'public.entries': 3 });
});
