import { setTimeout as pause } from 'node:timers/promises';
import type { Bench } from './bench.js';
import type { Measured, Row } from './figures.js';
import { giveBack } from './handover.js';
import { everything, split, type Takeover } from './takeover.js';

/** VCL2 hangs: the time from then to the first correct answer of VCL3. */
export const measureHostLost = async (bench: Bench): Promise<Measured[]> => [
  {
    title: 'Host lost without a word: detection to service',
    rows: [
      ...(await measureWith(bench, 'defaults', {}, 20)),
      ...(await measureWith(bench, 'CHECK_INTERVAL=1s', { CHECK_INTERVAL: '1s' }, 5)),
    ],
  },
];

const measureWith = async (
  bench: Bench,
  settings: string,
  env: Record<string, string>,
  atMost: number,
): Promise<Row[]> => {
  const runs: Takeover[] = [];
  for (let turn = 1; turn <= bench.runs; turn += 1) {
    bench.say(`host lost, ${settings}, ${turn} of ${bench.runs}`);
    runs.push(await loseHost(bench, env));
  }
  const row = (what: string, pick: (run: Takeover) => number): Row => ({
    what: `${settings}: ${what}`,
    size: bench.size,
    unit: 's',
    ours: runs.map(pick),
  });
  return [
    row('detection', ({ detection }) => detection),
    row('confirmation', ({ confirmation }) => confirmation),
    row('fencing and choice', ({ fencing }) => fencing),
    row('database and app', ({ database, app }) => database + app),
    {
      ...row('everything', everything),
      atMost: { value: atMost },
    },
  ];
};

const loseHost = async ({ shop }: Bench, env: Record<string, string>): Promise<Takeover> => {
  await shop.restart(shop.vcl3, env);
  await shop.order(shop.vcl2);
  await shop.backUp();
  // At a random moment between two checks.
  await pause(Math.random() * 5_000);
  const lost = Date.now();
  shop.hang();
  const answered = await shop.firstAnswer(shop.vcl3);
  await shop.serves(shop.vcl3);
  const promote = await shop.lastPromote();
  await shop.losePower();
  await shop.comeBack();
  await giveBack(shop);
  await shop.restart(shop.vcl3);
  return split(promote, lost, answered);
};
