import { afterAll, beforeAll, expect, test } from 'vitest';
import { serves } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { hasReplayed, type StreamPair, startStreamPair, streams } from '../support/stream-pair.js';

describePostgres('a pair that runs on dumps is turned to streaming, and back', () => {
  let pair: StreamPair;
  beforeAll(async () => {
    pair = await startStreamPair({ start: false });
    const { vcl2, vcl3 } = pair;
    await Promise.all([vcl2.agent.start(), vcl3.agent.start()]);
    await serves(vcl2);
    expect(await vcl2.write('on dumps')).toBe(true);
    await vcl2.do('/backups');
  }, 120_000);
  afterAll(() => pair?.remove());

  const started = async (): Promise<string> =>
    (await pair.vcl2.database.psql('SELECT pg_postmaster_start_time()')).trim();

  test('without the setting there is not a word of it', async () => {
    const { vcl2, vcl3 } = pair;
    expect(await vcl2.agent.status()).not.toHaveProperty('replication');
    expect(await vcl3.isCold()).toBe(true);
    const roles = await vcl2.database.psql(
      `SELECT count(*) FROM pg_roles WHERE rolname LIKE 'coldspare%'`,
    );
    expect(roles.trim()).toBe('0');
  });

  test('on: the agents are restarted, and neither the app nor its database', async () => {
    const { vcl2, vcl3 } = pair;
    const before = await started();
    for (const machine of [vcl2, vcl3]) {
      await machine.agent.stop();
      expect(await vcl2.entries()).toEqual(['SEED', 'on dumps']);
      await pair.start(machine);
    }
    await streams(vcl3);
    await serves(vcl2);
    expect(await started()).toBe(before);
    expect(await vcl2.write('streaming')).toBe(true);
    await hasReplayed(vcl3, 'streaming');
  });

  test('off, as the manual says: backups keep the standby again, and a takeover goes by one', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl3.agent.stop();
    await vcl3.database.psql('SELECT pg_promote()');
    await vcl3.agent.start();
    await vcl2.agent.stop();
    await vcl2.agent.start();
    await serves(vcl2);
    await vcl2.database.psql(`SELECT pg_drop_replication_slot('coldspare')`);
    expect(await vcl2.write('on dumps again')).toBe(true);
    const { result } = await vcl2.do('/backups');

    await vcl2.losePower();
    const promoted = await vcl3.do('/promote', { force: true });
    expect(promoted.result?.backup).toBe(result?.backup);
    await serves(vcl3);
    expect(await vcl3.entries()).toEqual(['SEED', 'on dumps', 'streaming', 'on dumps again']);
    expect((await vcl3.databaseNames()).join()).toMatch(/ledger_diverged_\d+/);
  });
});
