import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { duplexPair } from 'node:stream';
import type { Client } from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { REPLICATION_ROLE } from '../../src/drivers/postgres/cluster/replication-role.js';
import { createTunnels } from '../../src/drivers/tunnel/tunnels.js';
import type { Tunnels } from '../../src/ports/tunnels.js';
import { type ComposeHarness, makeComposeHarness } from '../support/compose-harness.js';
import { DockerEngine, describeDocker } from '../support/docker-engine.js';
import { eventually } from '../support/pair.js';
import { makeClusterDirectory, PROGRAMS, runAsPostgres } from '../support/postgres-tools.js';
import { killFamilies, listPids, runsAs } from '../support/processes.js';
import { baseBackup } from '../support/replica.js';

vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });

const never = new AbortController().signal;
const silent = { info() {}, warn() {}, error() {} };

/** Of the engine's client, which is what the agent started. */
const clientsOfExec = (): number[] =>
  listPids().filter((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
      return words[0]?.endsWith('docker') && words.some((word) => word.includes('/dev/tcp/'));
    } catch {
      // It ended while we looked.
      return false;
    }
  });

describeDocker('replication of a database in a container', () => {
  let engine: DockerEngine;
  let harness: ComposeHarness;
  let directory: string;
  let primary: Tunnels;
  let standby: Tunnels;
  /** A user of the database. */
  let bystander: Client;
  beforeAll(async () => {
    engine = await DockerEngine.start();
    Object.assign(process.env, engine.env);
    harness = await makeComposeHarness(engine);
    await harness.stack.database.start(never);
    const client = await harness.connect('postgres');
    await client.query(`CREATE ROLE ${REPLICATION_ROLE} LOGIN REPLICATION`);
    await client.end();
    bystander = await harness.connect('postgres');
    directory = await makeClusterDirectory();
    primary = createTunnels({ directory: join(directory, 'unused'), log: silent });
    standby = createTunnels({ directory, log: silent });
    await standby.listen(async (signal) => {
      const join = await primary.open(openReplication, signal);
      const [near, far] = duplexPair();
      join(far);
      return near;
    });
  });
  afterAll(async () => {
    await standby?.close();
    await primary?.close();
    await harness?.cleanup();
    await engine?.remove();
    await rm(directory, { recursive: true, force: true });
  });

  const openReplication = (signal: AbortSignal): Promise<Duplex> => {
    const { openReplication: open } = harness.stack;
    if (open === undefined) throw new Error('this stack has no replication');
    return open(signal);
  };
  const senders = async (): Promise<number> => {
    const client = await harness.connect('postgres');
    const { rows } = await client.query('SELECT pid FROM pg_stat_replication');
    await client.end();
    return rows.length;
  };
  const pipesInContainer = async (): Promise<string> =>
    (await harness.project.compose('top', 'db'))
      .split('\n')
      .filter((line) => /bash|\bcat\b/.test(line))
      .join('\n');
  const nothingIsLeft = async () => {
    await eventually('PostgreSQL has no sender', async () => (await senders()) === 0);
    await eventually('no process is left', async () => (await pipesInContainer()) === '');
    await eventually('no place is taken', async () => primary.account().open.length === 0);
    expect(clientsOfExec()).toEqual([]);
    // A server that takes an end of ours for a crash ends all sessions.
    await bystander.query('SELECT 1');
  };
  /** Takes WAL until the signal. */
  const follow = async (): Promise<{ ended: Promise<unknown>; data: string }> => {
    const data = join(directory, 'wal');
    await runAsPostgres(`mkdir -p ${data}`);
    const receiver = `${PROGRAMS}/pg_receivewal -h ${directory} -U ${REPLICATION_ROLE} -D ${data} --no-loop`;
    const ended = runAsPostgres(receiver).catch((error: Error) => error);
    await eventually('it follows', async () => (await senders()) === 1);
    return { ended, data };
  };

  test('a base backup is whole, and nothing is left behind', async () => {
    const data = join(directory, 'base');
    await baseBackup(directory, 5432, data);
    await runAsPostgres(`${PROGRAMS}/pg_verifybackup ${data}`);
    await nothingIsLeft();
  });

  test('when PostgreSQL ends the connection, the receiver is told', async () => {
    const { ended } = await follow();
    const client = await harness.connect('postgres');
    await client.query('SELECT pg_terminate_backend(pid) FROM pg_stat_replication');
    await client.end();
    expect(String(await ended)).toMatch(/terminating connection due to administrator command/);
    await nothingIsLeft();
  });

  test('when the receiver is gone, PostgreSQL’s session ends', async () => {
    const { ended, data } = await follow();
    await killFamilies(listPids().filter((pid) => runsAs(pid, data)));
    await ended;
    await nothingIsLeft();
  });

  test('when the agent is killed, PostgreSQL’s session ends', async () => {
    const { ended } = await follow();
    for (const pid of clientsOfExec()) process.kill(pid, 'SIGKILL');
    await ended;
    await nothingIsLeft();
  });

  test('a dial that is given up leaves nothing', async () => {
    const signal = AbortSignal.timeout(5);
    await expect(openReplication(signal)).rejects.toThrow();
    await nothingIsLeft();
  });

  test('a database that is stopped is named, and what to do', async () => {
    await harness.stack.database.stop(never);
    await expect(openReplication(never)).rejects.toMatchObject({
      code: 'database-unreachable',
      message: expect.stringMatching(
        /127.0.0.1:5432 of its container cannot be reached: .*running/,
      ),
    });
    const refused = baseBackup(directory, 5432, join(directory, 'none'));
    await expect(refused).rejects.toThrow(/FATAL: +coldspare: PostgreSQL at 127.0.0.1:5432/);
  });
});
