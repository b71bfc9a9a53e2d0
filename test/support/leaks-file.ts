import { chmod, mkdtemp } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, inject } from 'vitest';
import { findLeaks, type Leaks, listeningPorts, removeLeaks } from './leaks.js';

/** Milliseconds for what was told to end to be gone. Shorter where leaks are made on purpose. */
const GRACE = Number(process.env.TEST_LEAK_GRACE ?? 10_000);
const POLL_PAUSE = 50;
/** A unix socket's path may have some 100 characters, and the tests need their share. */
const LONGEST_NAME = 16;

const file = relative(process.cwd(), expect.getState().testPath ?? '');
const name = basename(file).replace(/\..*/, '').slice(0, LONGEST_NAME);
const directory = await mkdtemp(join(inject('temporaryRoot'), `${name}-`));
// As open as /tmp: PostgreSQL runs as a user of its own.
await chmod(directory, 0o1777);
process.env.TMPDIR = directory;
const portsBefore = await listeningPorts(process.pid);

const look = async (): Promise<Leaks> => {
  const { pids, descriptions } = await findLeaks(directory, process.pid);
  const ports = (await listeningPorts(process.pid)).filter((port) => !portsBefore.includes(port));
  return {
    pids,
    descriptions: [
      ...descriptions,
      ...ports.map((port) => `TCP port ${port}: the test file itself still listens`),
    ],
  };
};

// Registered before any hook of the file, so it runs after all of them.
afterAll(async () => {
  const deadline = performance.now() + GRACE;
  let leaks = await look();
  while (leaks.descriptions.length > 0 && performance.now() < deadline) {
    await sleep(POLL_PAUSE);
    leaks = await look();
  }
  await removeLeaks(directory, leaks);
  if (leaks.descriptions.length > 0) {
    throw new Error(`${file} left behind:\n  ${leaks.descriptions.join('\n  ')}`);
  }
});
