import { mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isAtOrPast } from '../../src/domain/replication.js';
import { createFileDisk } from '../../src/drivers/file-disk.js';
import { createHostStack } from '../../src/drivers/host/stack.js';
import type { Cluster } from '../../src/ports/cluster.js';
import type { Stack } from '../../src/ports/stack.js';
import { eventually } from '../support/pair.js';
import { createCluster, describePostgres, type Cluster as Server } from '../support/postgres.js';
import { PROGRAMS } from '../support/postgres-tools.js';
import { TcpGate } from '../support/tcp-gate.js';

const SECRET = 'a key that both agents have, of many letters';
const signal = new AbortController().signal;

/** Bytes of a file of the log, as initdb makes it. */
const SEGMENT = 16n * 1024n ** 2n;

/** The end of the name of the file that begins at this place. */
const segmentName = (at: bigint): string => {
  const number = at / SEGMENT;
  return [number / 256n, number % 256n]
    .map((part) => part.toString(16).toUpperCase().padStart(8, '0'))
    .join('');
};

interface Side {
  server: Server;
  stack: Stack;
  cluster: Cluster;
}

describePostgres('a cluster on the host', () => {
  let directory: string;
  let primary: Side;
  let standby: Side;
  let toStandby: TcpGate;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'coldspare-cluster-'));
    const servers = await Promise.all([createCluster(), createCluster()]);
    const [first, second] = servers;
    toStandby = await TcpGate.to(second.port);
    primary = sideOf('primary', first, toStandby.port);
    standby = sideOf('standby', second, first.port);
    await first.psql('CREATE DATABASE shop');
    await first.psql('CREATE TABLE orders (id int); INSERT INTO orders VALUES (1)', 'shop');
    await second.psql('CREATE DATABASE shop');
    await second.psql('CREATE TABLE leftover (id int)', 'shop');
  }, 60_000);

  afterAll(async () => {
    await Promise.all([primary?.server.remove(), standby?.server.remove()]);
    await toStandby?.close();
    await rm(directory, { recursive: true, force: true });
  });

  const sideOf = (name: string, server: Server, peer: number): Side => {
    const stack = createHostStack({
      database: { host: '127.0.0.1', port: server.port, user: 'postgres', name: 'shop' },
      ...(PROGRAMS !== undefined && { programs: PROGRAMS }),
      databaseCommands: { start: server.startCommand, stop: server.stopCommand },
      appCommands: { start: 'true', stop: 'true' },
      appHealthUrl: 'http://127.0.0.1:9/',
      probe: { get: async () => ({ outcome: 'refuses', detail: '' }) },
      log: join(directory, `${name}.log`),
      replication: {
        address: { host: '127.0.0.1', port: peer },
        secret: SECRET,
        disk: createFileDisk(),
        file: join(directory, `${name}.json`),
      },
    });
    if (stack.cluster === undefined) throw new Error('a stack with replication has a cluster');
    return { server, stack, cluster: stack.cluster };
  };

  const tables = async ({ server }: Side): Promise<string[]> =>
    (
      await server.psql(
        `SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1`,
        'shop',
      )
    )
      .trim()
      .split('\n');

  const orders = async ({ server }: Side): Promise<string> =>
    (await server.psql('SELECT count(*) FROM orders', 'shop')).trim();

  const copyToStandby = async (): Promise<void> => {
    await standby.cluster.copy.take(signal, () => {});
    await standby.cluster.copy.verify(signal);
    await standby.stack.database.stop(signal);
    await standby.cluster.copy.install();
  };

  const dataDirectory = async ({ server }: Side): Promise<string> =>
    (await server.psql('SHOW data_directory')).trim();

  test('a primary gets ready to send without a restart, and once', async () => {
    const began = await primary.server.psql('SELECT pg_postmaster_start_time()');
    await primary.cluster.prepareToSend();
    await primary.cluster.prepareToSend();
    expect(await primary.server.psql('SELECT pg_postmaster_start_time()')).toBe(began);
    const role = await primary.server.psql(
      `SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication FROM pg_roles WHERE rolname = 'coldspare_replication'`,
    );
    expect(role.trim()).toBe('f|f|f|t');
    const { slot, isInRecovery } = await primary.cluster.positions();
    expect({ slot, isInRecovery }).toMatchObject({
      isInRecovery: false,
      slot: { active: false, status: 'reserved' },
    });
    expect(slot?.limitBytes).toBeGreaterThanOrEqual(1024 ** 3);
  });

  test('both know what they have in common, and what one lacks', async () => {
    const [ours, theirs] = [await standby.cluster.identity(), await primary.cluster.identity()];
    expect(ours.version).toBe(theirs.version);
    expect(ours.platform).toMatch(/linux/);
    expect(ours.login).toBe(theirs.login);
    expect(theirs.extensions).toEqual({ plpgsql: '1.0' });
    expect(await standby.cluster.lacks({ plpgsql: '1.0', postgis: '3.4' })).toEqual([
      'postgis 3.4',
    ]);
    expect(await standby.cluster.copy.reach(signal)).toBe(theirs.system);
  });

  test('a copy that is given up leaves the cluster before as it was', async () => {
    await copyToStandby();
    expect(await standby.cluster.copy.isUnproven()).toBe(true);
    await standby.cluster.copy.abandon();
    expect(await standby.cluster.isReplica()).toBe(false);
    await standby.stack.database.start(signal);
    expect(await tables(standby)).toEqual(['leftover']);
    expect((await readdir(await dataDirectory(standby))).join()).not.toContain('pgsql_tmp');
  });

  test('a copy follows the primary, with the configuration of its own server', async () => {
    await copyToStandby();
    await standby.stack.database.start(signal);
    await eventually('it streams', async () => {
      const { receiver } = await standby.cluster.positions();
      return receiver?.streaming === true;
    });
    await standby.cluster.copy.finish();
    expect(await standby.cluster.copy.isUnproven()).toBe(false);
    await primary.server.psql('INSERT INTO orders VALUES (2)', 'shop');
    const { at } = await primary.cluster.positions();
    await eventually('it has replayed that', async () =>
      isAtOrPast((await standby.cluster.positions()).at, at),
    );
    expect(await orders(standby)).toBe('2');
    await eventually('it waits for more', async () => (await standby.cluster.positions()).isIdle);
    expect((await primary.cluster.positions()).slot?.active).toBe(true);
  });

  test('a fast stop sends everything, and the promoted replica goes on from there', async () => {
    await primary.stack.database.stop(signal);
    const end = await primary.cluster.logEnd();
    expect(end.isClean).toBe(true);
    const { received } = await standby.cluster.positions();
    expect(received).toBe(end.at);
    await eventually('it has replayed that', async () =>
      isAtOrPast((await standby.cluster.positions()).at, end.at),
    );
    await standby.cluster.promote(signal);
    await standby.cluster.promote(signal);
    const { isInRecovery, timeline, switches } = await standby.cluster.positions();
    expect({ isInRecovery, timeline, switches }).toEqual({
      isInRecovery: false,
      timeline: 2,
      switches: { 1: end.at },
    });
    expect(await primary.cluster.commitsPast(end.at, end)).toMatchObject({ count: 0 });
  });

  test('the old primary follows without a copy', async () => {
    await standby.cluster.prepareToSend();
    await primary.cluster.follow();
    expect(await primary.cluster.isReplica()).toBe(true);
    await primary.stack.database.start(signal);
    const slots = () => primary.server.psql('SELECT count(*) FROM pg_replication_slots');
    expect((await slots()).trim()).toBe('1');
    await primary.cluster.stopSending();
    await primary.cluster.stopSending();
    expect((await slots()).trim()).toBe('0');
    await standby.server.psql('INSERT INTO orders VALUES (3)', 'shop');
    await eventually('it streams the other way', async () => (await orders(primary)) === '3');
  });

  test('a replica whose primary is gone still knows on which timeline it was', async () => {
    await standby.stack.database.stop(signal);
    await eventually(
      'nothing is received',
      async () => (await primary.cluster.positions()).receiver === null,
    );
    expect((await primary.cluster.positions()).timeline).toBe(2);
    await standby.stack.database.start(signal);
  });

  test('a replica whose log has a gap tries again and again, and never says that it streams', async () => {
    await primary.stack.database.stop(signal);
    await standby.cluster.stopSending();
    for (let segment = 0; segment < 3; segment += 1) {
      await standby.server.psql('SELECT txid_current(), pg_switch_wal()');
      await standby.server.psql('CHECKPOINT');
    }
    await standby.cluster.prepareToSend();
    const log = join(directory, 'primary.log');
    const refusals = async () =>
      (await readFile(log, 'utf8')).split('has already been removed').length;
    // Its connection is open for half a second before it asks for the log.
    toStandby.tap = (_connection, _isInward, chunk) => {
      if (chunk.includes('START_REPLICATION')) setTimeout(toStandby.hold(), 500);
    };
    await primary.stack.database.start(signal);
    const words = new Set<string>();
    await eventually('it was refused twice', async () => {
      const { receiver } = await primary.cluster.positions();
      words.add(receiver === null ? 'receives nothing' : `streams: ${receiver.streaming}`);
      return (await refusals()) > 2;
    });
    expect([...words].sort()).toEqual(['receives nothing', 'streams: false']);
  });

  test('what a lost primary alone has is counted without a start', async () => {
    const { at } = await standby.cluster.positions();
    const directoryOfStandby = await dataDirectory(standby);
    await primary.stack.database.stop(signal);
    await standby.server.psql('INSERT INTO orders VALUES (4)', 'shop');
    await standby.server.psql('INSERT INTO orders VALUES (5)', 'shop');
    await standby.server.crash();
    const end = await standby.cluster.logEnd();
    expect(end.isClean).toBe(false);
    expect(isAtOrPast(end.at, at)).toBe(true);
    expect(await standby.cluster.commitsPast(at, end)).toMatchObject({
      count: 2,
      first: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:/),
    });

    // The log from there on was removed, as after a checkpoint without a slot: nobody knows what was committed.
    const log = join(directoryOfStandby, 'pg_wal');
    const names = (await readdir(log)).filter((name) => /^[0-9A-F]{24}$/.test(name));
    const before = SEGMENT * (BigInt(at) / SEGMENT);
    // The timeline before has a file for the same place.
    const name = names
      .filter((each) => each.endsWith(segmentName(before)))
      .sort()
      .at(-1);
    await rename(join(log, `${name}`), join(log, 'moved'));
    const unreadable = {
      code: 'database-failed',
      message: expect.stringContaining('cannot be read'),
    };
    await expect(standby.cluster.commitsPast(at, end)).rejects.toMatchObject(unreadable);
    await expect(standby.cluster.logEnd()).rejects.toMatchObject(unreadable);
    await rename(join(log, 'moved'), join(log, `${name}`));
  });
});
