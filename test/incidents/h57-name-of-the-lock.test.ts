import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { acquireNodeLock } from '../../src/drivers/node-lock.js';

const INFO = { node: 'vcl3', why: 'runs the agent' };

/** The name that agents of before took as their lock. */
const nameOf = async (directory: string) =>
  `\0coldspare-${createHash('sha256')
    .update(await realpath(directory))
    .digest('hex')}`;

describe.runIf(process.platform === 'linux')(
  'H57: any local user can take the name of the lock',
  () => {
    let root: string;
    let state: string;
    let other: Server | undefined;
    let child: ChildProcess | undefined;
    beforeEach(async () => {
      root = await mkdtemp(join(tmpdir(), 'lock-'));
      state = join(root, 'state');
      await mkdir(state, { mode: 0o700 });
    });
    afterEach(async () => {
      other?.close();
      other = undefined;
      if (child?.exitCode === null && child.signalCode === null) {
        const exited = once(child, 'exit');
        child.kill('SIGKILL');
        await exited;
      }
      child = undefined;
      await rm(root, { recursive: true, force: true });
    });

    const take = async () => {
      other = createServer().listen(await nameOf(state));
      await once(other, 'listening');
    };
    /** Another process that has the name, and does not say so in `agent.lock`. */
    const takeElsewhere = async () => {
      const program = `require('net').createServer().listen(${JSON.stringify(await nameOf(state))}, () => console.log('held'))`;
      child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(child.stdout as NonNullable<typeof child.stdout>, 'data');
      return child;
    };
    const holds = (pid: number | undefined) =>
      writeFile(join(state, 'agent.lock'), JSON.stringify({ ...INFO, pid, since: 'yesterday' }));

    test('an agent starts all the same, and the next one is refused', async () => {
      await takeElsewhere();
      // A killed agent has left its file behind, whose pid is somebody else's by now.
      await holds(process.pid);
      const lock = await acquireNodeLock(state, INFO);
      await expect(acquireNodeLock(state, INFO)).rejects.toMatchObject({ code: 'busy' });
      await lock.release();
    });

    test('a running agent of before keeps one of today out, and the other way round', async () => {
      const { pid } = await takeElsewhere();
      await holds(pid);
      await expect(acquireNodeLock(state, INFO)).rejects.toMatchObject({
        ...{ code: 'busy', value: pid },
        message: expect.stringContaining(`pid ${pid}`),
      });
      child?.kill('SIGKILL');
      await once(child as ChildProcess, 'exit');

      const lock = await acquireNodeLock(state, INFO);
      await expect(take()).rejects.toMatchObject({ code: 'EADDRINUSE' });
      await lock.release();
    });

    test('a long path of STATE_DIR is no hindrance', async () => {
      state = join(root, 'a'.repeat(100), 'b'.repeat(100));
      const lock = await acquireNodeLock(state, INFO);
      await expect(acquireNodeLock(state, INFO)).rejects.toMatchObject({ code: 'busy' });
      await lock.release();
      await (await acquireNodeLock(state, INFO)).release();
    });
  },
);
