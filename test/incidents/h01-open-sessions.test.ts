import { afterEach, expect, test } from 'vitest';
import { eventually, type Pair, serves, standsBy, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { openSessions, type SessionPool } from '../support/session-pool.js';

describePostgres('H01: VCL2 is back and a pool holds sessions on its database', () => {
  let pair: Pair;
  let pool: SessionPool | undefined;
  afterEach(async () => {
    await pool?.close();
    await pair?.remove();
  });

  test('the failback ends them, makes new ones wait, and VCL2 gets everything', async () => {
    pair = await startPair();
    const { vcl2, vcl3 } = pair;
    await vcl2.write('before the outage');
    await vcl2.breakApp();
    await vcl3.do('/promote');
    await vcl3.write('during the outage');
    await standsBy(vcl2);

    // VCL2's database is up again before its turn, and somebody's pool is in the middle of transactions.
    await vcl2.database.start();
    pool = openSessions(`postgres://postgres@127.0.0.1:${vcl2.database.port}/ledger`, 3);
    await eventually('the pool holds its sessions', async () => pool?.open() === 3);
    await vcl2.mendApp();

    await vcl3.do('/demote');

    await serves(vcl2);
    expect(pool.ended()).toBeGreaterThanOrEqual(3);
    expect(await vcl2.entries()).toEqual(['SEED', 'before the outage', 'during the outage']);
    // What the sessions held open was moved aside, not dropped under them.
    const databases = await vcl2.database.psql('SELECT datname FROM pg_database');
    expect(databases).toMatch(/^ledger_before_\d{8}_\d{6}$/m);
    // And they were let in again, to the database that replaced it.
    await eventually('the pool has its sessions again', async () => pool?.open() === 3);
  });
});
