import type { Bench } from './bench.js';
import type { Measured } from './figures.js';
import { giveBack } from './handover.js';
import { secondsOf } from './push.js';

/** The restore of a takeover whose backup was not prepared, in turns with `cat dump | psql`. */
export const measureRestore = async (bench: Bench): Promise<Measured[]> => {
  const { shop, old, runs, size } = bench;
  const ours: number[] = [];
  const proven: number[] = [];
  const plain: number[] = [];
  await shop.restart(shop.vcl3, { PREPARE: 'on-promote' });
  for (let turn = 1; turn <= runs; turn += 1) {
    bench.say(`restore ${turn} of ${runs}`);
    await shop.order(shop.vcl2);
    await old.takeDump(shop.vcl2.project);
    plain.push(await old.restore());
    await shop.run(shop.vcl2, '/backups');
    await shop.losePower();
    await shop.firstAnswer(shop.vcl3);
    await shop.serves(shop.vcl3);
    const { steps } = await shop.lastPromote();
    const step = (name: string) => steps.find((each) => each.name === name);
    const [restore, swap] = [step('restore'), step('swap')];
    if (restore === undefined || swap === undefined || restore.detail?.includes('already'))
      throw new Error(`nothing was restored: ${restore?.detail}`);
    ours.push(secondsOf(restore));
    proven.push(secondsOf({ startedAt: restore.startedAt, endedAt: swap.endedAt }));
    await shop.comeBack();
    await giveBack(shop);
  }
  await shop.restart(shop.vcl3);
  const baseline = { name: 'cat dump | psql', runs: plain };
  const row = { size, unit: 's', baseline };
  return [
    {
      title: 'Not prepared',
      rows: [
        { ...row, what: 'restore', ours, ...bench.wanted({ ratio: 0.75 }) },
        { ...row, what: 'restore, verify and swap', ours: proven },
      ],
    },
  ];
};
