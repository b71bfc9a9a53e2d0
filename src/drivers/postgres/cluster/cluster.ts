import { createHmac } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ColdspareError } from '../../../domain/errors.js';
import type { Cluster } from '../../../ports/cluster.js';
import type { Disk } from '../../../ports/disk.js';
import { keepSession } from '../kept-session.js';
import { type PsqlSession, withSession } from '../psql-session.js';
import { connectedTool, type Server, toolEnv } from '../server.js';
import { literal } from '../sql.js';
import { createClusterCopy } from './copy.js';
import type { ClusterFiles } from './files.js';
import { type Location, Locator } from './location.js';
import { readCommitsPast, readDemands, readLogEnd } from './log-end.js';
import { readExtensions, readIdentity, readLacking, readParameters } from './read-identity.js';
import { readPositions, SLOT } from './read-positions.js';
import {
  REPLICA_SIGN,
  type ReplicationLink,
  raiseSettings,
  readAutoConf,
  replicaFiles,
} from './replica-settings.js';
import { makeReplicationRole, replicationPassword } from './replication-role.js';

/** Milliseconds. */
const QUERY_TIMEOUT = 30_000;
const CHECKPOINT_TIMEOUT = 600_000;
const PROMOTE_TIMEOUT = 120_000;

const MEBIBYTE = 1024 ** 2;
/** What a slot may keep, as a share of what is free, and at least. In bytes. */
const SLOT_SHARE = 0.25;
const SLOT_LEAST = 1024 * MEBIBYTE;

export interface ClusterOptions {
  server: Server;
  /** The files of its data directory, which `find` tells. */
  openFiles: (find: () => Promise<Location>) => ClusterFiles;
  /** Name of the live database. */
  name: string;
  /** Where the other node's PostgreSQL is reached. */
  address: Pick<ReplicationLink, 'host' | 'port'>;
  /** Both nodes have it. The password of the replication role is derived from it, and DB_PASSWORD compared by it. */
  secret: string;
  disk: Pick<Disk, 'read' | 'write' | 'rename'>;
  /** Where the location of the data directory is remembered. */
  file: string;
  /** Milliseconds for what grows with the data. */
  transfer: number;
}

/** The cluster of a PostgreSQL server. */
export const createCluster = (options: ClusterOptions): Cluster => {
  const { server, openFiles, name, disk, file, ...more } = options;
  const link = { ...more.address, password: replicationPassword(more.secret) };
  const locator = new Locator(disk, file);
  const files = openFiles(() => locator.get());
  const kept = keepSession(server, name === 'postgres' ? 'template1' : 'postgres', 'template1');
  const ask = <T>(use: (session: PsqlSession) => Promise<T>, timeout = QUERY_TIMEOUT) =>
    kept.use({ timeout }, use);
  /** Asks for it when it was forgotten. */
  const findLocation = async () => {
    if ((await locator.find()) === undefined)
      await ask((session) => locator.learn(session)).catch(() => {});
    return locator.find();
  };
  const placed = async () => ({ ...(await locator.get()), files });
  const login = createHmac('sha256', more.secret)
    .update(JSON.stringify([server.user, server.password ?? null, name]))
    .digest('hex');

  return {
    identity: async () => {
      const found = await ask(async (session) => {
        await locator.learn(session);
        return readIdentity(session);
      });
      const [exists] = await ask((session) =>
        session.select(`SELECT 1 AS one FROM pg_database WHERE datname = ${literal(name)}`),
      );
      const extensions =
        exists === undefined
          ? {}
          : await withSession(server, name, { timeout: QUERY_TIMEOUT }, readExtensions);
      return { ...found, extensions, login };
    },

    lacks: (extensions) => ask((session) => readLacking(session, extensions)),

    positions: () => ask(readPositions),

    beforeStop: async (signal) => {
      const options = { timeout: CHECKPOINT_TIMEOUT, signal };
      const written = kept.use(options, (session) => session.run('CHECKPOINT'));
      await Promise.all([written, files.warm()]);
    },

    prepareToSend: () =>
      ask(async (session) => {
        await locator.learn(session);
        await assertMaySend(session);
        await makeReplicationRole(session, link.password);
        const { directory } = await locator.get();
        await limitSlot(session, await files.room(directory));
        await makeSlot(session);
      }),

    stopSending: () =>
      ask(async (session) => {
        await session.select(
          `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
           WHERE slot_name = ${literal(SLOT)} AND NOT active`,
        );
      }),

    promote: async (signal) => {
      if (!(await ask((session) => readPositions(session))).isInRecovery) return;
      await kept.use({ timeout: PROMOTE_TIMEOUT, signal }, async (session) => {
        const wait = Math.round(PROMOTE_TIMEOUT / 2_000);
        // A long report holds up the replay, and with it the promotion.
        await session.select(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND state <> 'idle'`,
        );
        const { done } = await session.row<{ done: boolean }>(
          `SELECT pg_promote(true, ${wait}) AS done`,
        );
        if (done) return;
        throw new ColdspareError(
          'database-failed',
          `the replica was told to take writes and does not after ${wait} s`,
          'read the log of PostgreSQL on this server; it is tried again by itself',
        );
      });
    },

    isReplica: async () => {
      const location = await findLocation();
      if (location === undefined) return false;
      const [sign] = await files.read([join(location.directory, REPLICA_SIGN)]);
      return sign !== undefined;
    },

    logEnd: async () => {
      await files.assertStopped((await locator.get()).directory);
      return readLogEnd(await placed());
    },

    commitsPast: async (at, end) => readCommitsPast(await placed(), at, end),

    fit: async () => {
      const demanded = await readDemands(await placed());
      // What does not run cannot be asked, and gets what its log demands.
      const has = await ask(readParameters).catch(() => ({}) as Record<string, number>);
      const raised = Object.entries(demanded).filter(([name, value]) => value > (has[name] ?? 0));
      const { directory } = await locator.get();
      if (raised.length > 0) await raiseSettings(files, directory, Object.fromEntries(raised));
      return raised.map(([name]) => name);
    },

    follow: async () => {
      const { directory } = await locator.get();
      await files.assertStopped(directory);
      await files.change(replicaFiles(directory, await readAutoConf(files, directory), link));
    },

    keep: async (other, target, signal) => {
      await mkdir(dirname(target), { recursive: true, mode: 0o700 });
      const part = `${target}.part`;
      const argv = connectedTool(server, 'pg_dump', other, ['-Fc']);
      const output = createWriteStream(part, { mode: 0o600, flush: true });
      const options = { timeout: more.transfer, signal, env: toolEnv(server), output };
      await server.executor.run(argv, options);
      // From here on it is whole, also after a power cut.
      await disk.rename(part, target);
    },

    copy: createClusterCopy({ files, locator, link, timeout: more.transfer }),
  };
};

/** @throws ColdspareError `database-failed` */
const assertMaySend = async (session: PsqlSession): Promise<void> => {
  const { level, senders, slots } = await session.row<{
    level: string;
    senders: number;
    slots: number;
  }>(
    `SELECT current_setting('wal_level') AS level, current_setting('max_wal_senders')::int AS senders,
            current_setting('max_replication_slots')::int AS slots`,
  );
  const wrong =
    level === 'minimal'
      ? ['wal_level', level, 'replica']
      : senders < 3
        ? ['max_wal_senders', `${senders}`, '10']
        : slots < 1
          ? ['max_replication_slots', `${slots}`, '10']
          : undefined;
  if (wrong === undefined) return;
  const [setting = '', value = '', needed = ''] = wrong;
  throw new ColdspareError(
    'database-failed',
    `${setting} is ${value}, so this server cannot send to a replica`,
    `set ${setting} = ${needed} in the configuration of PostgreSQL and restart it at a time of your choice`,
    { value: setting },
  );
};

/** A limit of the owner's stays. Without one, a standby that is away would fill the disk. In force without a restart. */
const limitSlot = async (session: PsqlSession, free: number): Promise<void> => {
  const { limit, hints } = await session.row<{ limit: string; hints: string }>(
    `SELECT current_setting('max_slot_wal_keep_size') AS "limit",
       coalesce((SELECT setting FROM pg_file_settings WHERE name = 'wal_log_hints' ORDER BY seqno DESC LIMIT 1),
                current_setting('wal_log_hints')) AS hints`,
  );
  const megabytes = Math.round(Math.max(SLOT_LEAST, free * SLOT_SHARE) / MEBIBYTE);
  if (limit === '-1') {
    await session.run(`ALTER SYSTEM SET max_slot_wal_keep_size = ${literal(`${megabytes}MB`)}`);
    await session.run('SELECT pg_reload_conf()');
  }
  // In force from the next start on: a rewind needs it.
  if (hints !== 'on') await session.run('ALTER SYSTEM SET wal_log_hints = on');
};

/** A slot that fell behind its limit is worth nothing: a new one waits for a new copy. */
const makeSlot = async (session: PsqlSession): Promise<void> => {
  const slot = literal(SLOT);
  const [found] = await session.select<{ active: boolean; status: string | null }>(
    `SELECT active, wal_status AS status FROM pg_replication_slots WHERE slot_name = ${slot}`,
  );
  if (found?.status === 'lost' && !found.active)
    await session.run(`SELECT pg_drop_replication_slot(${slot})`);
  else if (found !== undefined) return;
  await session.run(`SELECT pg_create_physical_replication_slot(${slot}, true)`);
};
