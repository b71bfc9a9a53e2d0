import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import type { Client } from 'ssh2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createPeerSshWatch } from '../../src/background/peer-ssh.js';
import { connectSsh } from '../../src/drivers/ssh/connection.js';
import { sshExecutor } from '../../src/drivers/ssh/executor.js';
import { createPeerMachine } from '../../src/drivers/ssh/peer-machine.js';
import { unrecorded } from '../../src/engine/operation.js';
import { fencePeer } from '../../src/operations/promote/fence-peer.js';
import { probePeer } from '../../src/peer/probe-peer.js';
import { createFakeNode } from '../support/fake-node.js';
import { type HostHarness, makeHostHarness } from '../support/host-harness.js';
import { PROGRAMS } from '../support/postgres-tools.js';
import { describeSshd, Sshd } from '../support/sshd.js';

const patience = new AbortController().signal;

/** What sshd runs in place of the command, as nologin, a cloud image's root and a careless wrapper do. */
const LOGINS = {
  'a shell that only says no': 'echo This account is currently not available.; exit 1',
  'a forced command that ends with 142': 'echo Please login as the user ubuntu.; exit 142',
  'a forced command that says yes to everything': 'exit 0',
  'a forced command that repeats what was asked': 'echo "$SSH_ORIGINAL_COMMAND"',
};

describeSshd('H41: PEER_SSH logs in, and no command of ours is run', () => {
  let sshd: Sshd;
  beforeAll(async () => {
    sshd = await Sshd.start();
  });
  afterAll(() => sshd?.remove());

  const ssh = () => {
    const { user, port, keyFile, hostKey } = sshd;
    return { user, host: '127.0.0.1', port, keyFile, hostKey };
  };
  const machine = () =>
    createPeerMachine({
      ssh: ssh(),
      database: { host: '127.0.0.1', port: 1, user: 'postgres', name: 'shop' },
      appStopCommand: 'true',
      probe: { get: async () => ({ outcome: 'refuses', detail: 'ECONNREFUSED' }) },
      timeouts: { start: 30_000, stop: 30_000 },
    });

  test.each(Object.entries(LOGINS))(
    '%s: the check fails, and nobody is fenced',
    async (_what, login) => {
      await sshd.force(login);
      const fake = await createFakeNode('standby');
      const node = { ...fake.node, machine: machine() };
      try {
        await createPeerSshWatch(node, patience)();
        expect(node.peerView.ssh?.value.error).toMatchObject({
          code: 'ssh-not-permitted',
          message: expect.stringContaining('was not run on the other machine'),
          remedy: expect.stringContaining('authorized_keys'),
        });
        const request = { epoch: 2, force: false };
        const outage = { probe: await probePeer(node), mustBeFenced: false };
        const fenced = await fencePeer(node, unrecorded(60_000), request, outage);
        expect(fenced).toMatchObject({ outcome: 'unreachable', sshError: 'ssh-not-permitted' });
        expect(node.peerView.fenced?.event).toBe('not-fenced');
      } finally {
        await fake.remove();
      }
    },
  );

  describe('a login that prints more than was asked for', () => {
    let client: Client;
    const run = (...argv: string[]) => sshExecutor(client).run(argv, { timeout: 30_000 });
    beforeAll(async () => {
      // As a greeting in ~/.bashrc does, and a wrapper that goes by its own exit status.
      await sshd.force('echo welcome to vcl2; sh -c "$SSH_ORIGINAL_COMMAND"; echo bye; exit 0');
      client = await connectSsh(ssh(), patience);
    });
    afterAll(() => client?.destroy());

    test('gives the output of the command alone', async () => {
      expect(await run('printf', 'a\\036b\\036')).toBe('a\x1eb\x1e');
    });

    test('does not hide that the command failed', async () => {
      await expect(run('sh', '-c', 'exit 3')).rejects.toMatchObject({
        code: 'ssh-command-failed',
        message: expect.stringContaining('sh exited with 3'),
      });
    });

    test('keeps a dialogue going', async () => {
      const { stdin, stdout, ended } = sshExecutor(client).open(['cat'], { timeout: 30_000 });
      let told = '';
      stdout.on('data', (text) => {
        told += text;
      });
      stdin.write('one\n');
      await expect.poll(() => told, { timeout: 10_000 }).toBe('one\n');
      stdin.end();
      await ended;
      expect(told).toBe('one\n');
    });
  });
});

describeSshd('H41: something prints before pg_dump does', () => {
  let harness: HostHarness;
  let folder: string;
  const path = process.env.PATH;
  beforeAll(async () => {
    harness = await makeHostHarness();
    await harness.reset();
    folder = await mkdtemp(join(tmpdir(), 'coldspare-h41-'));
    for (const tool of ['psql', 'pg_restore'])
      await symlink(join(`${PROGRAMS}`, tool), join(folder, tool));
    const wrapper = join(folder, 'pg_dump');
    await writeFile(wrapper, `#!/bin/sh\necho welcome to vcl2\nexec ${PROGRAMS}/pg_dump "$@"\n`);
    await chmod(wrapper, 0o755);
    process.env.PATH = `${folder}:${path}`;
  });
  afterAll(async () => {
    process.env.PATH = path;
    await harness?.cleanup();
    await rm(folder, { recursive: true, force: true });
  });

  test('what does not begin as a dump is refused', async () => {
    let bytes = 0;
    const sink = new Writable({
      write(chunk: Buffer, _encoding, done) {
        bytes += chunk.length;
        done();
      },
    });
    await expect(harness.stack.database.dump(sink, patience)).rejects.toMatchObject({
      code: 'database-failed',
      message: expect.stringMatching(/begins with "welcome to vcl2.*not with PGDMP/),
    });
    expect(bytes).toBe(0);
    expect(sink.destroyed).toBe(true);
  });
});
