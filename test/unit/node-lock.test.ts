import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { acquireNodeLock } from '../../src/drivers/node-lock.js';

const LOCK = resolve('dist/src/drivers/node-lock.js');
const INFO = { node: 'vcl3', why: 'runs the agent' };

let root: string;
let state: string;
const children: ChildProcess[] = [];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'lock-'));
  state = join(root, 'state');
});
afterEach(async () => {
  for (const child of children.splice(0)) await kill(child);
  await rm(root, { recursive: true, force: true });
});

const kill = async (child: ChildProcess) => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
};

/** Another agent's process that holds the lock until it is killed. */
const holdElsewhere = async (platform: string): Promise<ChildProcess> => {
  const program = `import { acquireNodeLock } from ${JSON.stringify(LOCK)};
    await acquireNodeLock(${JSON.stringify(state)}, ${JSON.stringify(INFO)}, ${JSON.stringify(platform)});
    console.log('held');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  await once(child.stdout as NonNullable<typeof child.stdout>, 'data');
  return child;
};

describe.each(['linux', 'darwin'] as const)('as on %s', (platform) => {
  const acquire = (directory = state) => acquireNodeLock(directory, INFO, platform);

  test('a second agent on the same state is told who holds it, since when and what to do (H18)', async () => {
    const { pid } = await holdElsewhere(platform);
    await expect(acquire()).rejects.toMatchObject({
      ...{ code: 'busy', value: pid },
      message: expect.stringMatching(
        new RegExp(`vcl3, pid ${pid}, since 20\\S+Z \\(runs the agent\\)`),
      ),
      remedy: expect.stringContaining(`kill ${pid}`),
    });
  });

  test('an agent that was killed hard holds nothing', async () => {
    const child = await holdElsewhere(platform);
    await kill(child);
    expect(existsSync(join(state, 'agent.lock'))).toBe(true);
    const lock = await acquire();
    expect(JSON.parse(await readFile(join(state, 'agent.lock'), 'utf8')).pid).toBe(process.pid);
    await lock.release();
  });

  test('a lock file that was left or written by hand excludes nobody', async () => {
    const lock = await acquire();
    await lock.release();
    await writeFile(join(state, 'agent.lock'), 'nonsense');
    await (await acquire()).release();
  });

  test('another way to the same directory is the same lock', async () => {
    const lock = await acquire();
    await symlink(state, join(root, 'link'));
    await expect(acquire(join(root, 'link'))).rejects.toMatchObject({ code: 'busy' });
    await lock.release();
  });

  test('another state is another lock', async () => {
    const one = await acquire();
    const two = await acquire(join(root, 'other'));
    await one.release();
    await two.release();
  });

  test('a released lock can be taken again, and leaves no file', async () => {
    const lock = await acquire();
    await lock.release();
    await lock.release();
    expect(existsSync(join(state, 'agent.lock'))).toBe(false);
    expect(existsSync(join(state, 'agent.sock'))).toBe(false);
    await (await acquire()).release();
  });

  test('of many that start at once, one gets it', async () => {
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => acquire()));
    const got = results.filter(({ status }) => status === 'fulfilled');
    expect(got).toHaveLength(1);
    for (const result of results) if (result.status === 'fulfilled') await result.value.release();
  });
});
