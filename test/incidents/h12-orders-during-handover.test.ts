import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import type { LoadBalancer } from '../../scripts/demo-story/load-balancer.js';
import { startLoadBalancer } from '../support/load-balancer.js';
import {
  eventually,
  type Machine,
  type Pair,
  serves,
  standsBy,
  startPair,
} from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

describePostgres('H12: clients go on ordering while the role changes hands', () => {
  let pair: Pair;
  let vcl1: LoadBalancer;
  let orders: Orders | undefined;
  afterEach(async () => {
    await orders?.stop();
    await vcl1?.close();
    await pair?.remove();
  });

  test('every order that was confirmed is on the new primary; the others were told of the error', async () => {
    pair = await startPair();
    const { vcl2, vcl3 } = pair;
    vcl1 = await startLoadBalancer(pair);
    orders = keepOrdering(vcl1.url, 4);
    const confirmed = (since = 0) => orders?.with(201).slice(since) ?? [];
    await eventually('orders are confirmed', async () => confirmed().length > 50);

    await vcl2.do('/demote');
    const byVcl2 = confirmed().length;
    await eventually('VCL3 confirms orders', async () => confirmed(byVcl2).length > 50);
    await orders.stop();

    const kept = new Set(await vcl3.entries());
    expect(confirmed().filter((order) => !kept.has(order))).toEqual([]);
    // A client that gets no 201 knows that it has to ask again.
    const statuses = orders.statuses().filter((status) => status !== 201);
    expect(statuses.length).toBeGreaterThan(0);
    expect(statuses.filter((status) => status < 500)).toEqual([]);
    expect(await vcl2.entries()).toBeUndefined();
  });
});

describePostgres('H12: somebody forces a write past the freeze', () => {
  let pair: Pair;
  afterEach(() => pair?.remove());

  const INSERT = "BEGIN READ WRITE; INSERT INTO entries (text) VALUES ('forced'); COMMIT";

  /** Does something, and writes once it has come to the step. */
  const writeAt = async <T>(vcl2: Machine, label: string, doing: () => Promise<T>): Promise<T> => {
    await vcl2.inject([{ label, moment: 'before', action: 'hold' }]);
    const done = doing();
    await eventually(`it is at ${label}`, async () => (await vcl2.hits()).length > 0);
    await vcl2.database.psql(INSERT, 'ledger');
    await vcl2.release();
    return done;
  };

  test('after the last dump of a handover: it is called off, and the write is served on', async () => {
    pair = await startPair();
    const { vcl2, vcl3 } = pair;
    await vcl2.write('before');
    const refused = await writeAt(vcl2, 'handover.push', () => vcl2.run('/demote'));
    expect(refused.body).toMatchObject({
      code: 'written-while-frozen',
      detail: expect.stringContaining('somebody wrote 1 row to ledger on vcl2'),
    });
    await serves(vcl2);
    expect(await vcl2.entries()).toEqual(['SEED', 'before', 'forced']);
    expect(await vcl3.agent.status()).toMatchObject({ mode: 'standby' });
  });

  test('after the last dump of a takeover: it goes on, says what may be lost, and keeps what is', async () => {
    pair = await startPair();
    const { vcl2, vcl3 } = pair;
    await vcl2.write('before');
    await vcl2.breakApp();
    const promote = await writeAt(vcl2, 'backup.push', () => vcl3.do('/promote'));
    expect(await vcl3.entries()).toEqual(['SEED', 'before']);
    expect(promote.result).toMatchObject({
      loss: expect.stringMatching(/what was written after .* is lost/),
      rescue: expect.stringContaining('somebody wrote 1 row to ledger on vcl2 after it was frozen'),
    });
    await standsBy(vcl2);
    const kept = await eventually('its database is kept', async () => {
      await vcl2.database.start();
      return /^ledger_diverged_\w+$/m.exec(
        await vcl2.database.psql('SELECT datname FROM pg_database'),
      )?.[0];
    });
    const texts = await vcl2.database.psql('SELECT text FROM entries ORDER BY id', kept);
    expect(texts.trim().split('\n')).toEqual(['SEED', 'before', 'forced']);
  });
});

interface Orders {
  /** Orders that were answered like this. */
  with(status: number): string[];
  /** Every answer there was, without repetition. */
  statuses(): number[];
  stop(): Promise<void>;
}

/** Clients that order one thing after the other, without a pause. */
const keepOrdering = (url: string, clients: number): Orders => {
  const answers: { order: string; status: number }[] = [];
  let isOver = false;
  const client = async (_: unknown, number: number) => {
    for (let count = 1; !isOver; count += 1) {
      const order = `order ${number}.${count}`;
      const body = JSON.stringify({ text: order });
      const { status } = await fetch(url, { method: 'POST', body });
      answers.push({ order, status });
      // Who was turned away waits a little, so that the machine has time for the handover.
      if (status !== 201) await pause(20);
    }
  };
  const working = Promise.all(Array.from({ length: clients }, client));
  return {
    with: (wanted) => answers.filter(({ status }) => status === wanted).map(({ order }) => order),
    statuses: () => [...new Set(answers.map(({ status }) => status))],
    stop: async () => {
      isOver = true;
      await working;
    },
  };
};
