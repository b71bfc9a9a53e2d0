import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, serves } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import {
  hasReplayed,
  replicationOf,
  rowsOf,
  type StreamPair,
  startStreamPair,
  streams,
} from '../support/stream-pair.js';

describePostgres('S06: the replica has heard nothing for a while, and backups have', () => {
  let pair: StreamPair;
  beforeAll(async () => {
    pair = await startStreamPair();
  }, 180_000);
  afterAll(() => pair?.remove());

  test('a takeover uses the newer backup, and says so before and after', async () => {
    const { vcl2, vcl3, to } = pair;
    expect(await vcl2.write('one')).toBe(true);
    await hasReplayed(vcl3, 'one');
    to.vcl2.cut();
    expect(await vcl2.write('two')).toBe(true);
    const { result } = await vcl2.do('/backups');
    await eventually('the replica is known to be behind', async () => {
      const { line, behindBytes } = await replicationOf(vcl3);
      return line === 'backup' && (behindBytes ?? 0) > 0;
    });
    expect(await rowsOf(vcl3)).not.toContain('two');

    await vcl2.losePower();
    const promoted = await vcl3.do('/promote', { force: true });
    expect(promoted.result).toMatchObject({ backup: result?.backup });
    expect(promoted.steps.find(({ name }) => name === 'choose-source')?.detail).toContain(
      'is newer than the replica',
    );
    await serves(vcl3);
    expect(await vcl3.entries()).toEqual(['SEED', 'one', 'two']);
    // What the replica had is kept.
    expect((await vcl3.databaseNames()).join()).toMatch(/ledger_diverged_\d+/);
    to.vcl2.heal();
  });

  test('and the old primary becomes a replica of what was restored', async () => {
    const { vcl2, vcl3 } = pair;
    expect(await vcl3.write('three')).toBe(true);
    await pair.start(vcl2);
    await streams(vcl2);
    await hasReplayed(vcl2, 'three');
    expect(await rowsOf(vcl2)).toEqual(['SEED', 'one', 'two', 'three']);
  });

  test('s05: the log that it still needs is gone, to spare the disk: it is copied anew by itself', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl2.agent.stop();
    await vcl2.database.killHard();
    const { psql } = vcl3.database;
    await psql(`ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'`);
    await psql('SELECT pg_reload_conf()');
    for (let segment = 0; segment < 4; segment += 1) {
      expect(await vcl3.write(`segment ${segment}`)).toBe(true);
      await psql('SELECT pg_switch_wal()');
      await psql('CHECKPOINT');
    }
    await pair.start(vcl2);
    await eventually(
      'it is copied anew',
      async () => {
        const seed = await vcl2.lastOperation('seed', 'done');
        return seed?.result?.way === 'copy' && seed.reason.includes('its log has a gap');
      },
      120_000,
    );
    await streams(vcl2);
    await hasReplayed(vcl2, 'segment 3');
  });
});
