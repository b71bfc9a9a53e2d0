import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCommand, splitCommand } from '../../src/drivers/run-command.js';
import { connectSsh } from '../../src/drivers/ssh/connection.js';
import { sshExecutor } from '../../src/drivers/ssh/executor.js';
import { createPeerMachine, type PeerMachineOptions } from '../../src/drivers/ssh/peer-machine.js';
import { type CommandApp, createCommandApp } from '../support/command-app.js';
import { fetchProbe } from '../support/fetch-probe.js';
import { type Cluster, createCluster, freePort } from '../support/postgres.js';
import { watchProcesses } from '../support/processes.js';
import { drawnTests } from '../support/sample.js';
import { silentPort } from '../support/silent-port.js';
import { describeSshd, Sshd } from '../support/sshd.js';
import { TcpGate } from '../support/tcp-gate.js';

const PASSWORD = `brew's "42" $HOME \\n`;
const MARKER = { lineage: 'beans', epoch: 3, backup: null, served: true };
const patience = new AbortController().signal;

/** Takes a dump, and remembers what became of it. */
const sinkOf = (onBytes: (bytes: number) => void = () => {}) => {
  let head = '';
  let bytes = 0;
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      head ||= chunk.subarray(0, 5).toString('latin1');
      bytes += chunk.length;
      onBytes(bytes);
      done();
    },
  });
  return { sink, head: () => head, bytes: () => bytes };
};

describeSshd('the machine of a dead agent, over SSH', () => {
  let sshd: Sshd;
  let cluster: Cluster;
  let app: CommandApp;
  let directory: string;
  let options: PeerMachineOptions;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'coldspare-peer-'));
    sshd = await Sshd.start();
    cluster = await createCluster({ password: PASSWORD });
    app = await createCommandApp(directory);
    await runCommand(splitCommand(app.start), {
      timeout: 10_000,
      log: join(directory, 'app.log'),
    });
    await cluster.psql('CREATE DATABASE shop');
    await cluster.psql(
      `CREATE TABLE cups AS SELECT n, md5(n::text) || md5((-n)::text) AS what FROM generate_series(1, 300000) n`,
      'shop',
    );
    const { port, user, startCommand: start, stopCommand: stop } = cluster;
    const { user: account, keyFile, hostKey } = sshd;
    options = {
      ssh: { user: account, host: '127.0.0.1', port: sshd.port, keyFile, hostKey },
      database: { host: '127.0.0.1', port, user, name: 'shop', password: PASSWORD },
      databaseCommands: { start, stop },
      appStopCommand: app.stop,
      appUrl: app.healthUrl,
      probe: fetchProbe,
      timeouts: { start: 30_000, stop: 30_000 },
    };
  });
  afterAll(async () => {
    await app?.remove();
    await cluster?.remove();
    await sshd?.remove();
    await rm(directory, { recursive: true, force: true });
  });

  const machine = (more: Partial<PeerMachineOptions> = {}) =>
    createPeerMachine({ ...options, ...more });
  const reach = (more: Partial<PeerMachineOptions> = {}) =>
    machine(more).reach(patience, async () => 'reached');
  const stopApp = (appStopCommand: string, more: Partial<PeerMachineOptions> = {}) =>
    machine({ appStopCommand, ...more }).reach(patience, ({ app }) => app.stop(patience, true));

  test('its database is started, frozen, marked, dumped and stopped, as a local one is', async () => {
    await cluster.killHard();
    const { sink, head, bytes } = sinkOf();
    const facts = await machine().reach(patience, async ({ database }) => {
      await database.start(patience);
      await database.freeze();
      await database.mark(MARKER);
      const before = await database.writes();
      const facts = await database.dump(sink, patience);
      expect(await database.writes()).toBe(before);
      return facts;
    });
    expect(facts).toMatchObject({
      marker: MARKER,
      inventory: { rows: { 'public.cups': 300_000 } },
      surroundings: { encoding: 'UTF8', owner: 'postgres' },
    });
    expect(head()).toBe('PGDMP');
    expect(bytes()).toBeGreaterThan(1_000_000);
    expect(sink.writableFinished).toBe(true);
    await expect(cluster.psql('DELETE FROM cups', 'shop')).rejects.toThrow('read-only');

    await machine().reach(patience, async ({ database }) => {
      await database.stop(patience);
      expect(await database.answers()).toBe(false);
      await database.start(patience);
      expect(await database.answers()).toBe(true);
    });
  });

  test('its password is in no command line while it is dumped', async () => {
    const { sink } = sinkOf();
    const dumped = machine().reach(patience, ({ database }) => database.dump(sink, patience));
    const seen = [...(await watchProcesses(dumped))];
    expect(seen.some((line) => /pg_dump .*--snapshot/.test(line))).toBe(true);
    expect(seen.some((line) => line.includes('read -r PGPASSWORD'))).toBe(true);
    expect(seen.filter((line) => line.includes("brew's"))).toEqual([]);
  });

  test('words arrive as they were sent, whatever is in them', async () => {
    const nasty = [
      ...['', ' ', "'", "''", '"', '\\', "\\'", '$HOME', '`id`', '$(id)', '!!', '*', '~', '#x'],
      ...['a\nb', ';reboot', '&&', '|', '>x', '-n', 'ü☕', "it's; rm -rf '/'", '%s', '{a,b}'],
    ];
    const client = await connectSsh(options.ssh, patience);
    try {
      const { run } = sshExecutor(client);
      const timeout = 10_000;
      const told = await run(['printf', '[%s]', ...nasty], { timeout });
      expect(told).toBe(nasty.map((word) => `[${word}]`).join(''));
      const env = { PGPASSWORD: PASSWORD, PGAPPNAME: '  spaces  ' };
      const secret = await run(['sh', '-c', 'printf "%s|%s" "$PGPASSWORD" "$PGAPPNAME"'], {
        timeout,
        env,
      });
      expect(secret).toBe(`${PASSWORD}|  spaces  `);
      await expect(run(['true'], { timeout, env: { PGPASSWORD: 'a\nb' } })).rejects.toThrow(
        'PGPASSWORD has a line break in it',
      );
    } finally {
      client.destroy();
    }
  });

  const drawn = drawnTests(0.3);

  drawn.describe(
    'nobody is talked to who is not the pinned machine, and nobody lets us in without the key',
    () => {
      drawn.test('a key that is not authorized', async () => {
        const keyFile = sshd.makeKey('stranger');
        await expect(reach({ ssh: { ...options.ssh, keyFile } })).rejects.toMatchObject({
          code: 'ssh-key-refused',
          message: expect.stringContaining('does not let'),
        });
      });

      drawn.test('a key file that is missing, or wants a passphrase', async () => {
        const locked = sshd.makeKey('locked', '-N', 'secret');
        for (const keyFile of [join(directory, 'nowhere'), locked]) {
          await expect(reach({ ssh: { ...options.ssh, keyFile } })).rejects.toMatchObject({
            code: 'ssh-key-refused',
            message: expect.stringContaining(`the private key ${keyFile} cannot be used`),
          });
        }
      });

      drawn.test('another host key than the pinned one', async () => {
        const other = `SHA256:${'A'.repeat(43)}`;
        let wasUsed = false;
        const reached = machine({ ssh: { ...options.ssh, hostKey: other } }).reach(
          patience,
          async () => {
            wasUsed = true;
          },
        );
        await expect(reached).rejects.toMatchObject({
          code: 'ssh-host-key-changed',
          message: expect.stringContaining(`${options.ssh.hostKey}, expected ${other}`),
        });
        expect(wasUsed).toBe(false);
      });

      drawn.test('nothing listens, or not an SSH server', async () => {
        for (const port of [await freePort(), cluster.port]) {
          await expect(reach({ ssh: { ...options.ssh, port } })).rejects.toMatchObject({
            code: 'ssh-unreachable',
          });
        }
      });
    },
  );

  drawn.describe('h20: nothing is waited for without end', () => {
    drawn.test('a machine that is silent', async () => {
      const { port, close } = await silentPort();
      try {
        const from = performance.now();
        await expect(reach({ ssh: { ...options.ssh, port } })).rejects.toMatchObject({
          code: 'ssh-unreachable',
          message: expect.stringContaining('no connection within 5 s'),
        });
        expect(performance.now() - from).toBeLessThan(9_000);
      } finally {
        await close();
      }
    });

    drawn.test('an sshd that hangs', async () => {
      sshd.hang();
      try {
        const from = performance.now();
        await expect(reach()).rejects.toMatchObject({ code: 'ssh-timed-out' });
        expect(performance.now() - from).toBeLessThan(18_000);
      } finally {
        sshd.wake();
      }
    });

    drawn.test('a command that hangs', async () => {
      const from = performance.now();
      await expect(
        stopApp('sleep 20', { timeouts: { start: 1_000, stop: 1_000 } }),
      ).rejects.toMatchObject({ code: 'ssh-timed-out', message: expect.stringContaining('sleep') });
      expect(performance.now() - from).toBeLessThan(10_000);
    });

    drawn.test('a promote that is called off', async () => {
      const calledOff = new AbortController();
      const { signal } = calledOff;
      const stopped = machine({ appStopCommand: 'sleep 20' }).reach(signal, ({ app }) => {
        setTimeout(() => calledOff.abort(new Error('called off')), 200);
        return app.stop(signal, true);
      });
      await expect(stopped).rejects.toThrow('called off');
    });
  });

  drawn.describe('an app that cannot be stopped', () => {
    drawn.test('a command that is not permitted', async () => {
      const file = join(directory, 'not-executable');
      await writeFile(file, 'true', { mode: 0o600 });
      await expect(stopApp(file)).rejects.toMatchObject({
        code: 'ssh-not-permitted',
        message: expect.stringMatching(/Permission denied/),
      });
    });

    test.each([
      ["sh -c 'echo no beans >&2; exit 3'", 'sh exited with 3: no beans'],
      ['no-such-program', 'no-such-program exited with 127'],
      ["sh -c 'kill -9 $$'", 'sh was ended by SIGKILL'],
    ])('%s', async (command, message) => {
      await expect(stopApp(command)).rejects.toMatchObject({
        code: 'ssh-command-failed',
        message: expect.stringContaining(message),
      });
    });

    drawn.test('a stop command that fails because nothing runs is a success', async () => {
      await stopApp('false', { appUrl: `http://127.0.0.1:${await freePort()}/` });
    });

    drawn.test(
      'a stop command that says yes while the app goes on answering',
      async () => {
        await expect(stopApp('true')).rejects.toMatchObject({
          code: 'ssh-command-failed',
          message: expect.stringContaining(`still answers at ${app.healthUrl}`),
        });
      },
      20_000,
    );

    drawn.test('the right one stops it', async () => {
      await stopApp(app.stop);
      // A connection that was kept from earlier looks may only be reset.
      await expect
        .poll(() => fetchProbe.get(app.healthUrl, 1_000))
        .toMatchObject({ outcome: 'refuses' });
    });
  });

  drawn.describe('the connection is lost in the middle of the dump', () => {
    const dumpThrough = async (cut: (gate: TcpGate) => void) => {
      const gate = await TcpGate.to(sshd.port);
      const ssh = { ...options.ssh, port: gate.port };
      let isCut = false;
      const { sink } = sinkOf((bytes) => {
        if (bytes < 500_000 || isCut) return;
        isCut = true;
        cut(gate);
      });
      try {
        await machine({ ssh }).reach(patience, ({ database }) => database.dump(sink, patience));
        return { sink, error: undefined };
      } catch (error) {
        return { sink, error };
      } finally {
        await gate.close();
      }
    };

    drawn.test('it breaks: the dump is torn, not ended', async () => {
      const { sink, error } = await dumpThrough((gate) => {
        gate.cut();
        gate.heal();
      });
      expect(error).toMatchObject({ code: 'ssh-unreachable' });
      expect(sink.writableFinished).toBe(false);
      expect(sink.destroyed).toBe(true);
    });

    drawn.test('it goes silent: noticed within 20 s', async () => {
      const from = performance.now();
      const { sink, error } = await dumpThrough((gate) => gate.cut());
      expect(error).toMatchObject({ code: 'ssh-unreachable' });
      expect(sink.writableFinished).toBe(false);
      expect(performance.now() - from).toBeLessThan(35_000);
    });
  });
});
