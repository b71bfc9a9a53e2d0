import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from '../lib/agent-process.js';
import type { Bench } from './bench.js';
import type { Measured } from './figures.js';
import { cpuUsed } from './process-usage.js';
import { secondsOf } from './push.js';
import type { Shop } from './shop.js';

/** The number of ticks, one a second, in one measurement. */
const TICKS = 10;
/** How many measurements are tried until one has only ticks that take no backup. */
const TRIES = 12;
/** Milliseconds. */
const PATIENCE = 300_000;
const EVERY_SECOND = { BACKUP_CRON: '* * * * * *' };

interface Cost {
  cpu: number;
  wall: number;
}

/** What a tick of BACKUP_CRON costs when nothing was written, in turns with one that has to dump. */
export const measureUnchanged = async (bench: Bench): Promise<Measured[]> => {
  const { shop, runs, size } = bench;
  const unchanged: Cost[] = [];
  const full: Cost[] = [];
  for (let turn = 1; turn <= runs; turn += 1) {
    bench.say(`unchanged ${turn} of ${runs}`);
    full.push(await backUpInFull(shop));
    unchanged.push(await tickInVain(shop));
  }
  await shop.restart(shop.vcl2);
  const row = (pick: (cost: Cost) => number) => ({
    size,
    ours: unchanged.map(pick),
    baseline: { name: 'a full backup', runs: full.map(pick) },
  });
  return [
    {
      title: 'A tick of BACKUP_CRON on an unchanged database',
      rows: [
        {
          what: 'CPU of the agent and the programs it runs',
          unit: 'ms',
          ...row(({ cpu }) => cpu),
          atMost: { value: 50 },
        },
        { what: 'until the standby knows', unit: 's', ...row(({ wall }) => wall) },
      ],
    },
  ];
};

const usedBy = async ({ vcl2 }: Shop): Promise<number> => {
  const { own, children } = await cpuUsed(vcl2.agent.pid ?? 0);
  return own + children;
};

const backUpInFull = async (shop: Shop): Promise<Cost> => {
  await shop.restart(shop.vcl2);
  await shop.serves(shop.vcl2);
  await shop.order(shop.vcl2);
  const before = await usedBy(shop);
  const record = await shop.run(shop.vcl2, '/backups');
  const cpu = (await usedBy(shop)) - before;
  await shop.isPrepared(record);
  return { cpu, wall: secondsOf(record) };
};

/** The cost of one tick, less what an idle agent uses in the same time. */
const tickInVain = async (shop: Shop): Promise<Cost> => {
  const { vcl2 } = shop;
  const idle = await usedInTicks(shop);
  await shop.restart(vcl2, EVERY_SECOND);
  await shop.serves(vcl2);
  // Starting the agent may have written something, which the first tick dumps.
  await nextConfirmation(shop);
  const newest = async () => (await vcl2.agent.status()).latestBackup?.id;
  for (let tries = 1; tries <= TRIES; tries += 1) {
    const taken = await newest();
    const busy = await usedInTicks(shop);
    const wall = await nextConfirmation(shop);
    // Otherwise autovacuum has cleaned up the newly filled tables in between, which counts as a change.
    if ((await newest()) === taken) return { cpu: (busy - idle) / TICKS, wall };
  }
  throw new Error(`a backup was taken of an unchanged database, ${TRIES} times in a row`);
};

const usedInTicks = async (shop: Shop): Promise<number> => {
  const before = await usedBy(shop);
  await pause(TICKS * 1_000);
  return (await usedBy(shop)) - before;
};

/** Seconds from the next tick that takes no backup until the standby knows that its newest backup is that current. */
const nextConfirmation = async ({ vcl3 }: Shop): Promise<number> => {
  const seen = async () => (await vcl3.agent.status()).latestBackup;
  const before = await seen();
  const at = await eventually(
    'the standby is told that nothing has changed',
    async () => {
      const now = await seen();
      const isConfirmed = now !== null && now.currentAt > now.takenAt;
      return isConfirmed && now.currentAt !== before?.currentAt && now.currentAt;
    },
    // PostgreSQL may still be cleaning up the newly filled tables, which counts as a change.
    PATIENCE,
  );
  return (Date.now() - Date.parse(at)) / 1_000;
};
