import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, type Pair, startPair } from '../support/pair.js';
import { describeVcl1, startVcl1, type Vcl1 } from '../support/vcl1.js';
import { tellVcl1Story } from '../support/vcl1-story.js';

describeVcl1('haproxy', 'VCL1 is haproxy', () => tellVcl1Story('haproxy'));

describeVcl1('haproxy', 'VCL1 is haproxy, and VCL2 hangs with a write on its way', () => {
  let pair: Pair;
  let vcl1: Vcl1;
  let locker: pg.Client;
  beforeAll(async () => {
    pair = await startPair();
    vcl1 = await startVcl1('haproxy', pair);
  });
  afterAll(async () => {
    await locker?.end().catch(() => {});
    await vcl1?.close();
    await pair?.remove();
  });

  test('the client is told of the failure when VCL2 is no longer the primary', async () => {
    const { vcl2 } = pair;
    locker = new pg.Client(`postgres://postgres@127.0.0.1:${vcl2.database.port}/ledger`);
    locker.on('error', () => {});
    await locker.connect();
    await locker.query('BEGIN; LOCK TABLE entries');
    // Without the checks it would be the 60 seconds of "timeout server".
    const order = fetch(vcl1.url, {
      method: 'POST',
      body: JSON.stringify({ text: 'order 17' }),
      signal: AbortSignal.timeout(30_000),
    });
    await eventually('the order is on its way', async () => {
      const waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
      return Number(await vcl2.database.psql(waiting)) > 0;
    });
    await vcl2.hang();
    expect((await order).status).toBe(502);
  });
});
