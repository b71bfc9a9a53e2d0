import { afterAll, beforeAll, expect, test } from 'vitest';
import { isAtOrPast } from '../../src/domain/replication.js';
import { eventually, serves } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import {
  replicationOf,
  type StreamPair,
  startStreamPair,
  streams,
} from '../support/stream-pair.js';

describePostgres('S12: the standby may have fewer connections than the primary', () => {
  let pair: StreamPair;
  beforeAll(async () => {
    pair = await startStreamPair({ start: false, env: { PREPARE: 'on-receive' } });
    const { vcl2, vcl3 } = pair;
    await vcl3.database.psql('ALTER SYSTEM SET max_connections = 50');
    await vcl3.database.killHard();
    await Promise.all([pair.start(vcl2), pair.start(vcl3)]);
    await serves(vcl2);
  }, 120_000);
  afterAll(() => pair?.remove());

  test('it says which parameter, and is kept by backups meanwhile', async () => {
    const { vcl2, vcl3 } = pair;
    await eventually(
      'it says what is wrong',
      async () => (await replicationOf(vcl3)).broken?.check === 'max-connections',
      60_000,
    );
    const { problems, details } = await vcl3.agent.status();
    expect(problems).toContain('replication-broken');
    expect(details?.['replication-broken']).toMatchObject({
      because: expect.stringContaining('max_connections is 50 here and 100 on the primary'),
      remedy: expect.stringContaining('set max_connections = 100'),
    });
    const { result } = await vcl2.do('/backups');
    await eventually('the backup is restored ahead of time', async () => {
      const { prepared } = await vcl3.agent.status();
      return prepared === result?.backup;
    });
    expect((await replicationOf(vcl3)).line).toBe('backup');
  });

  test('once it is put right, it becomes a replica by itself', async () => {
    const { vcl3 } = pair;
    // An operation that ends there may stop it.
    await vcl3.agent.stop();
    await vcl3.database.start();
    await vcl3.database.psql('ALTER SYSTEM RESET max_connections');
    await vcl3.database.killHard();
    await pair.start(vcl3);
    await streams(vcl3);
    expect((await vcl3.agent.status()).problems).not.toContain('replication-broken');
    expect((await replicationOf(vcl3)).line).toBe('replica');
  });

  test('later the primary gets more connections: the replica is not used any more, and says why', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl2.do('/backups');
    await vcl2.database.psql('ALTER SYSTEM SET max_connections = 200');
    await vcl2.database.killHard();
    await vcl2.database.start();
    await eventually(
      'it is said',
      async () => {
        const { broken, line } = await replicationOf(vcl3);
        return broken?.check === 'max-connections' && line === 'backup';
      },
      90_000,
    );
    expect((await vcl3.agent.status()).problems).toContain('replication-broken');
  });

  test('then VCL2 is lost: the replica gets what its log demands, and VCL3 serves with all that had come', async () => {
    const { vcl2, vcl3 } = pair;
    await serves(vcl2);
    await vcl2.write('after the change');
    const { at = '0' } = (await replicationOf(vcl2)).positions ?? {};
    await eventually('it has come', async () => {
      const { positions } = await replicationOf(vcl3);
      return isAtOrPast(positions?.received ?? '0', at);
    });
    await vcl2.losePower();
    await vcl3.do('/promote', { force: true });
    await serves(vcl3);
    expect(await vcl3.entries()).toContain('after the change');
    expect((await vcl3.database.psql('SHOW max_connections')).trim()).toBe('200');
  });
});
