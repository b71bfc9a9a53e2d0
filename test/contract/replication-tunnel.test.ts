import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Authority, createAuthority, environmentOf } from '../support/certificates.js';
import { eventually, type Machine, type Pair, serves, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { makeClusterDirectory } from '../support/postgres-tools.js';
import { watchMemory } from '../support/processes.js';
import { baseBackup } from '../support/replica.js';
import { streams } from '../support/stream-pair.js';

/** Milliseconds: PostgreSQL dials every five seconds, and the agents and the machine are busy. */
const SOON = 60_000;

const connectionsOf = async ({ agent }: Machine): Promise<number> => {
  const { body } = await agent.get<string>('/metrics');
  return Number(/^coldspare_replication_connections (\d+)$/m.exec(body)?.[1]);
};

describePostgres('a standby that follows its primary through the agents', () => {
  let authority: Authority;
  let sockets: { vcl2: string; vcl3: string };
  let pair: Pair;
  beforeAll(async () => {
    // The test plays people who leave the server's certificate unchecked. The agents check each other's.
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    authority = await createAuthority();
    sockets = { vcl2: await makeClusterDirectory(), vcl3: await makeClusterDirectory() };
    const of = (node: 'vcl2' | 'vcl3') => ({
      ...environmentOf(authority.files(node)),
      REPLICATION_SOCKET_DIR: sockets[node],
    });
    pair = await startPair({
      env: { REPLICATION: 'stream' },
      vcl2: of('vcl2'),
      vcl3: of('vcl3'),
    });
    await streams(pair.vcl3);
    // The copy came with a connection of its own.
    await eventually('one is left', async () => (await connectionsOf(pair.vcl2)) === 1, SOON);
  });
  afterEach(() => pair?.link.heal());
  afterAll(async () => {
    await pair?.remove();
    await authority.remove();
    for (const directory of Object.values(sockets)) await rm(directory, { recursive: true });
    delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
  });

  const rows = (count: number) =>
    pair.vcl2.database.psql(
      `CREATE TABLE IF NOT EXISTS streamed (t text); INSERT INTO streamed SELECT 'row' FROM generate_series(1, ${count})`,
      'ledger',
    );
  const COUNT = 'SELECT count(*) FROM streamed';
  const countOf = (machine: Machine) => machine.database.psql(COUNT, 'ledger');
  const catchesUp = async (timeout?: number) => {
    const rows = await countOf(pair.vcl2);
    const what = `the replica has ${rows.trim()} rows`;
    return eventually(what, async () => (await countOf(pair.vcl3)) === rows, timeout);
  };
  /** Stops the process that receives, or lets it go on. */
  const signalReceiver = async (signal: 'SIGSTOP' | 'SIGCONT') => {
    const pid = Number(await pair.vcl3.database.psql('SELECT pid FROM pg_stat_wal_receiver'));
    process.kill(pid, signal);
  };

  test('shows what was written, and its primary knows it', async () => {
    await rows(1_000);
    await catchesUp();
    expect(
      await pair.vcl2.database.psql('SELECT state, sent_lsn > $$0/0$$ FROM pg_stat_replication'),
    ).toBe('streaming|t\n');
    expect(await connectionsOf(pair.vcl2)).toBe(1);
    expect(await connectionsOf(pair.vcl3)).toBe(1);
  });

  test('nothing of the data is in a log', async () => {
    await pair.vcl2.database.psql("INSERT INTO streamed VALUES ('a-secret-order')", 'ledger');
    await catchesUp();
    for (const { directory } of [pair.vcl2, pair.vcl3])
      expect(readFileSync(join(directory, 'agent.log'), 'utf8')).not.toContain('a-secret-order');
  });

  test('the peer’s key opens no session for SQL', async () => {
    await expect(
      pair.vcl2.database.psql(`\\c "host=${sockets.vcl3} port=5432 user=postgres dbname=ledger"`),
    ).rejects.toThrow('only connections for physical replication as coldspare_replication go');
  });

  test('whoever asks on the wrong side is told which node is no primary', async () => {
    await expect(baseBackup(sockets.vcl2, 5432, '/nonexistent')).rejects.toThrow(
      /FATAL: +coldspare: the other node refused: vcl3 is a standby/,
    );
  });

  test('a link that is cut without a word is noticed on both sides, and it streams again after that', async () => {
    pair.link.cut();
    await rows(1_000);
    for (const machine of [pair.vcl2, pair.vcl3])
      await eventually(
        `${machine.agent.name} notices`,
        async () => (await connectionsOf(machine)) === 0,
        SOON,
      );
    expect(await pair.vcl2.database.psql('SELECT pid FROM pg_stat_replication')).toBe('');
    pair.link.heal();
    await catchesUp(SOON);
  });

  test('a receiver that stalls makes the primary wait, and fills no memory', async () => {
    await rows(1_000);
    await catchesUp(SOON);
    await signalReceiver('SIGSTOP');
    try {
      const pids = [pair.vcl2.agent.pid, pair.vcl3.agent.pid];
      // About 60 MB of WAL.
      const { idle, peak } = await watchMemory(pids, () =>
        pair.vcl2.database.psql(
          'INSERT INTO streamed SELECT repeat(md5(n::text), 60) FROM generate_series(1, 30000) n',
          'ledger',
        ),
      );
      for (const [at, bytes] of peak.entries())
        expect(bytes - (idle[at] ?? 0)).toBeLessThan(30_000_000);
      expect(await connectionsOf(pair.vcl2)).toBe(1);
    } finally {
      await signalReceiver('SIGCONT');
    }
    await catchesUp(60_000);
  });

  test.each(['vcl2', 'vcl3'] as const)(
    'after a restart and after a crash of %s’s agent it streams again',
    async (name) => {
      const { agent } = pair[name];
      for (const end of [() => agent.stop(), () => agent.kill()]) {
        await end();
        await agent.start();
        await rows(10);
        await catchesUp(SOON);
      }
    },
  );

  test('a handover goes over the same way, and nothing is lost', async () => {
    // The agents have just been started again. A boot has to end before a role changes hands.
    await serves(pair.vcl2);
    await streams(pair.vcl3);
    expect(await pair.vcl2.write('before')).toBe(true);
    await pair.vcl2.do('/demote');
    await serves(pair.vcl3);
    expect(await pair.vcl3.entries()).toEqual(['SEED', 'before']);
    expect(await countOf(pair.vcl3)).not.toBe('0\n');
    await streams(pair.vcl2);
  });
});
