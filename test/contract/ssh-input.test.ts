import { randomBytes } from 'node:crypto';
import { getEventListeners } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import type { Client } from 'ssh2';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectSsh } from '../../src/drivers/ssh/connection.js';
import { sshExecutor } from '../../src/drivers/ssh/executor.js';
import { describeSshd, Sshd } from '../support/sshd.js';

describeSshd('the streams of a program over SSH', () => {
  let sshd: Sshd;
  let client: Client;
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ssh-input-'));
    sshd = await Sshd.start();
    client = await connect(new AbortController().signal);
  });
  afterAll(async () => {
    client?.destroy();
    await sshd?.remove();
    await rm(directory, { recursive: true });
  });

  const connect = (signal: AbortSignal) => {
    const { user, port, keyFile, hostKey } = sshd;
    return connectSsh({ user, host: '127.0.0.1', port, keyFile, hostKey }, signal);
  };
  const store = (file: string, input: string | Readable) =>
    sshExecutor(client).run(['sh', '-c', 'cat >"$1"; echo stored', 'sh', file], {
      timeout: 30_000,
      input,
    });

  test('arrives as it was, byte by byte', async () => {
    const file = join(directory, 'whole');
    const bytes = randomBytes(5_000_000);
    expect(await store(file, Readable.from([bytes]))).toBe('stored\n');
    expect((await readFile(file)).equals(bytes)).toBe(true);
    await store(file, `it's "$HOME"\n`);
    expect(await readFile(file, 'utf8')).toBe(`it's "$HOME"\n`);
  });

  test('a source that breaks is a failure with its reason, whatever the program makes of it', async () => {
    const source = Readable.from(
      (async function* () {
        yield randomBytes(100_000);
        throw new Error('the disk here broke');
      })(),
    );
    await expect(store(join(directory, 'torn'), source)).rejects.toThrow('the disk here broke');
  });

  test('a program that takes no more does not hang whoever feeds it', async () => {
    const endless = new Readable({
      read() {
        this.push(randomBytes(65_536));
      },
    });
    const run = sshExecutor(client).run(
      ['sh', '-c', 'head -c 10 >/dev/null; echo no >&2; exit 3'],
      {
        timeout: 30_000,
        input: endless,
      },
    );
    await expect(run).rejects.toThrow(/exited with 3: no/);
    expect(endless.destroyed).toBe(true);
  });

  test.each([
    ['with output left to read', 5_000_000],
    ['and everything is read', 1_000],
  ])('a sink that stalls ends the run in its time, %s', async (_when, bytes) => {
    const output = new Writable({ write: () => {} });
    const run = sshExecutor(client).run(['head', '-c', `${bytes}`, '/dev/zero'], {
      timeout: 2_000,
      output,
    });
    await expect(run).rejects.toMatchObject({ code: 'ssh-timed-out' });
    expect(output.destroyed).toBe(true);
  });

  test('an agent that connects again and again leaves nothing behind', async () => {
    const { signal } = new AbortController();
    const connection = await connect(signal);
    await sshExecutor(connection).run(['true'], { timeout: 10_000, signal });
    connection.destroy();
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});
