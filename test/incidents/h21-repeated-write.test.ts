import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { type CarelessBalancer, startCarelessBalancer } from '../support/careless-balancer.js';
import { startLoadBalancer } from '../support/load-balancer.js';
import { eventually, type Pair, serves, standsBy, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

describePostgres('H21: a write takes too long on VCL2, and VCL1 repeats it on VCL3', () => {
  let pair: Pair;
  let locker: pg.Client | undefined;
  let careless: CarelessBalancer | undefined;
  let vcl1: Awaited<ReturnType<typeof startLoadBalancer>> | undefined;
  afterEach(async () => {
    await locker?.end().catch(() => {});
    await careless?.close();
    await vcl1?.close();
    await pair?.remove();
  });

  /** Whatever the app of VCL2 is asked from now on waits for this lock. */
  const lockTable = async (port: number) => {
    locker = new pg.Client(`postgres://postgres@127.0.0.1:${port}/ledger`);
    locker.on('error', () => {});
    await locker.connect();
    await locker.query('BEGIN; LOCK TABLE entries');
  };

  const order = (url: string, text: string) =>
    fetch(url, { method: 'POST', body: JSON.stringify({ text }) });

  const healthOf = async ({ vcl2, vcl3 }: Pair) => {
    const answers = [vcl2, vcl3].map(({ agent }) => agent.get('/primary'));
    return (await Promise.all(answers)).map(({ status }) => status);
  };

  test('there is one writer, so that even a careless VCL1 applies it once', async () => {
    pair = await startPair();
    const { vcl2, vcl3 } = pair;
    careless = await startCarelessBalancer([vcl2.appUrl, vcl3.appUrl], 1_000);
    await lockTable(vcl2.database.port);

    // Too slow on VCL2, repeated on VCL3: there is nobody.
    expect((await order(careless.url, 'order 17')).status).toBe(504);
    await locker?.query('COMMIT');
    await eventually('VCL2 has done it after all', async () =>
      (await vcl2.entries())?.includes('order 17'),
    );

    // Too slow again, until VCL3 has taken over and answers the repeated one.
    await lockTable(vcl2.database.port);
    const repeated = eventually('some server takes the order', async () => {
      const { status } = await order(careless?.url ?? '', 'order 18');
      return status === 201;
    });
    expect(await healthOf(pair)).toEqual([200, 503]);
    await eventually('VCL2 is seen to hang', async () => (await healthOf(pair))[0] === 503);
    expect((await fetch(new URL('/health', careless.url))).status).toBe(200);
    expect((await vcl3.run('/promote')).body).toMatchObject({ state: 'done' });
    await repeated;

    expect(await healthOf(pair)).toEqual([503, 200]);
    expect(await vcl3.entries()).toEqual(['SEED', 'order 17', 'order 18']);
    await standsBy(vcl2);
    expect((await vcl3.run('/demote')).body).toMatchObject({ state: 'done' });
    await serves(vcl2);
    expect(await vcl2.entries()).toEqual(['SEED', 'order 17', 'order 18']);
  });

  test('a VCL1 that follows /primary sends it to the one that serves, and repeats nothing', async () => {
    pair = await startPair();
    const { vcl2, vcl3 } = pair;
    await serves(vcl2);
    vcl1 = await startLoadBalancer(pair);
    await eventually('VCL1 has found VCL2', async () => vcl1?.primary() === 'vcl2');
    expect((await order(vcl1.url, 'order 17')).status).toBe(201);

    await vcl2.breakApp();
    await eventually('VCL1 says that nobody serves', async () => vcl1?.primary() === undefined);
    expect((await order(vcl1.url, 'order 18')).status).toBe(503);
    await vcl3.run('/promote');
    await eventually('VCL1 has found VCL3', async () => vcl1?.primary() === 'vcl3');
    expect((await order(vcl1.url, 'order 18')).status).toBe(201);

    expect(await vcl3.entries()).toEqual(['SEED', 'order 17', 'order 18']);
  });
});
