import type { Bench } from './bench.js';
import type { Measured, Row } from './figures.js';
import { giveBack } from './handover.js';

/** VCL2 takes what comes and answers nothing: from then to the first correct answer of VCL3. */
export const measureHostLost = async (bench: Bench): Promise<Measured[]> => {
  const rows: Row[] = [];
  for (const [what, env, value] of [
    ['defaults', {}, 20],
    ['CHECK_INTERVAL=1s', { CHECK_INTERVAL: '1s' }, 5],
  ] as const) {
    const ours: number[] = [];
    for (let turn = 1; turn <= bench.runs; turn += 1) {
      bench.say(`host lost, ${what}, ${turn} of ${bench.runs}`);
      ours.push(await loseHost(bench, env));
    }
    rows.push({ what, size: bench.size, unit: 's', ours, atMost: { value } });
  }
  return [{ title: 'Host lost without a word: detection to service', rows }];
};

const loseHost = async ({ shop }: Bench, env: Record<string, string>): Promise<number> => {
  await shop.restart(shop.vcl3, env);
  await shop.order(shop.vcl2);
  await shop.backUp();
  // Anywhere between two checks.
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 5_000));
  const lost = Date.now();
  shop.hang();
  const answered = await shop.firstAnswer(shop.vcl3);
  await shop.serves(shop.vcl3);
  await shop.losePower();
  await shop.comeBack();
  await giveBack(shop);
  await shop.restart(shop.vcl3);
  return (answered - lost) / 1_000;
};
