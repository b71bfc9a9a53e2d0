import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Machine, type Pair, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

const databasesOf = async (machine: Machine): Promise<string[]> =>
  (await machine.database.psql('SELECT datname FROM pg_database ORDER BY 1')).trim().split('\n');

describePostgres('a drill', () => {
  let pair: Pair;
  beforeEach(async () => {
    pair = await startPair({ env: { DRILL_QUERY: 'SELECT count(*) = 2 FROM entries; -- both' } });
    await pair.vcl2.write('an order');
    await pair.vcl2.do('/backups');
  });
  afterEach(() => pair?.remove());

  test('on VCL3 restores the newest backup, asks what it is told to, and leaves the database cold', async () => {
    const { vcl3 } = pair;
    const backup = (await vcl3.agent.status()).latestBackup?.id;
    const drill = await vcl3.do('/drill');
    expect(drill.result).toEqual({
      at: expect.any(String),
      backup,
      passed: true,
      error: null,
      seconds: {
        start: expect.any(Number),
        restore: expect.any(Number),
        verify: expect.any(Number),
        query: expect.any(Number),
        total: expect.any(Number),
      },
      takeOverSeconds: expect.any(Number),
    });
    expect((await vcl3.agent.status()).lastDrill).toEqual(drill.result);
    await expect(vcl3.database.psql('SELECT 1')).rejects.toThrow(/Connection refused/);
    await vcl3.agent.kill();
    await vcl3.agent.start();
    expect((await vcl3.agent.status()).lastDrill).toEqual(drill.result);
    await vcl3.database.start();
    expect(await databasesOf(vcl3)).toEqual(['postgres', 'template0', 'template1']);
  });

  test('on VCL2 goes on beside the live database, which stays as it is', async () => {
    const { vcl2 } = pair;
    const drill = await vcl2.do('/drill');
    expect(drill.result).toMatchObject({ passed: true, takeOverSeconds: null });
    expect(await databasesOf(vcl2)).toEqual(['ledger', 'postgres', 'template0', 'template1']);
    expect(await vcl2.entries()).toEqual(['SEED', 'an order']);
    expect(await vcl2.write('another order')).toBe(true);
  });
});
