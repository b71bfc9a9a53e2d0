import { setTimeout as pause } from 'node:timers/promises';
import type { ComposeMachine } from '../../test/support/compose-pair.js';
import { streams as waitForStream } from '../../test/support/stream-pair.js';
import type { Bench } from './bench.js';
import type { Measured, Row } from './figures.js';
import { CONFIRMED_TO_ANSWERS } from './growth.js';
import { giveBack } from './handover.js';
import type { Shop } from './shop.js';

const STREAM = { REPLICATION: 'stream' };
/** Seconds of load for each figure. */
const LOAD = 10;
const CLIENTS = 4;
const LOOK_EVERY = 100;
/** Milliseconds, enough for a copy of the largest database. */
const PATIENCE = 900_000;

interface Turn {
  confirmedToAnswers: number;
  /** Seconds of writes that were committed and are gone. */
  lost: number;
  returns: number;
  handover: number;
  follows: number;
}

/** With REPLICATION=stream: what it costs, how late the replica is, takeovers, handovers, and what comes back. */
export const measureStream = async (bench: Bench): Promise<Measured[]> => {
  const { shop, runs, size, wanted, say } = bench;
  const off: number[] = [];
  for (let turn = 1; turn <= runs; turn += 1) off.push(await load(shop));
  say('streaming: the copy');
  const began = Date.now();
  await turnOn(shop);
  const copied = (Date.now() - began) / 1_000;
  const on: number[] = [];
  const lags: number[] = [];
  const turns: Turn[] = [];
  for (let turn = 1; turn <= runs; turn += 1) {
    say(`streaming ${turn} of ${runs}`);
    const [rate, lag] = await Promise.all([load(shop), sampleLag(shop)]);
    on.push(rate);
    lags.push(lag);
    turns.push(await takeTurns(shop));
  }
  await turnOff(shop);
  const row = (what: string, ours: readonly number[], atMost?: number): Row => ({
    ...{ what, size, unit: 's', ours },
    ...(atMost !== undefined && wanted({ value: atMost })),
  });
  return [
    {
      title: 'Streaming',
      rows: [
        row('turned on → streams', [copied]),
        {
          what: 'time for a transaction under load',
          ...{ size, unit: 'ms', ours: on.map(timeOf) },
          baseline: { name: 'without streaming', runs: off.map(timeOf) },
          ...wanted({ ratio: 1.11 }),
        },
        row('age of the replica under load, 99 %', lags, 1),
        row('lost writes of a machine that is lost under load', pick(turns, 'lost'), 1),
        row(CONFIRMED_TO_ANSWERS, pick(turns, 'confirmedToAnswers'), 1.5),
        row('the lost machine boots → streams', pick(turns, 'returns'), 10),
        row('handover: writes are refused for', pick(turns, 'handover'), 3),
        row('handover is done → the old primary streams', pick(turns, 'follows'), 5),
      ],
    },
  ];
};

const pick = (turns: readonly Turn[], part: keyof Turn): number[] =>
  turns.map((turn) => turn[part]);
/** Milliseconds. */
const timeOf = (rate: number): number => (CLIENTS * 1_000) / rate;

/** Transactions of pgbench a second. */
const load = async ({ vcl2 }: Shop): Promise<number> => {
  const output = await vcl2.project.exec('db', [
    ...['pgbench', '--client', `${CLIENTS}`, '--time', `${LOAD}`, '--no-vacuum'],
    ...['--username=postgres', 'coffee_dev'],
  ]);
  return Number(/^tps = ([\d.]+)/m.exec(output)?.[1]);
};

/** The answer of the database there, as psql prints it unaligned. */
const ask = ({ project }: ComposeMachine, sql: string): Promise<string> =>
  project.exec('db', ['psql', '--username=postgres', '-XqtA', '-c', sql, 'coffee_dev']);

/** Seconds that 99 of 100 looks stay below, while the load runs. */
const sampleLag = async ({ vcl3 }: Shop): Promise<number> => {
  const ages: number[] = [];
  await pause(1_000);
  const end = Date.now() + (LOAD - 2) * 1_000;
  while (Date.now() < end) {
    // As PostgreSQL says on the standby itself: the agent looks once in CHECK_INTERVAL.
    const age = 'extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())';
    ages.push(Number(await ask(vcl3, `SELECT ${age}`)));
    await pause(LOOK_EVERY);
  }
  ages.sort((one, other) => one - other);
  return ages[Math.ceil(ages.length * 0.99) - 1] ?? Number.NaN;
};

const takeTurns = async (shop: Shop): Promise<Turn> => {
  const { vcl2, vcl3 } = shop;
  await shop.clearOrders();
  await shop.order(vcl2);
  // It ends with the machine.
  const busy = load(shop).catch(() => {});
  await pause(3_000);
  const killed = Date.now();
  await shop.losePower();
  await busy;
  const answered = await shop.firstAnswer(vcl3);
  await shop.serves(vcl3);
  const promote = await shop.lastPromote();
  const confirm = promote.steps.find(({ name }) => name === 'confirm');
  const newest = await ask(vcl3, 'SELECT extract(epoch FROM max(mtime)) FROM pgbench_history');

  await vcl2.project.engine.boot();
  const booted = Date.now();
  await vcl2.agent.start(STREAM);
  const back = await streams(vcl2);
  const handover = await giveBack(shop);
  const given = Date.now();
  const followed = await streams(vcl3);
  return {
    confirmedToAnswers: (answered - Date.parse(confirm?.endedAt ?? '')) / 1_000,
    lost: Math.max(0, killed / 1_000 - Number(newest)),
    returns: (back - booted) / 1_000,
    handover,
    follows: (followed - given) / 1_000,
  };
};

/** The moment at which it is a standby that streams. */
const streams = async (machine: ComposeMachine): Promise<number> => {
  await waitForStream(machine, PATIENCE);
  return Date.now();
};

const turnOn = async (shop: Shop): Promise<void> => {
  await shop.restart(shop.vcl2, STREAM);
  await shop.restart(shop.vcl3, STREAM);
  await shop.serves(shop.vcl2);
  await streams(shop.vcl3);
};

/** As the manual says. */
const turnOff = async (shop: Shop): Promise<void> => {
  const { vcl2, vcl3 } = shop;
  await vcl3.agent.stop();
  await ask(vcl3, 'SELECT pg_promote()');
  await vcl3.agent.start();
  await shop.restart(vcl2);
  await shop.serves(vcl2);
  await ask(vcl2, `SELECT pg_drop_replication_slot('coldspare')`);
  await shop.backUp();
};
