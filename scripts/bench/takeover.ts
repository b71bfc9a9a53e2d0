import type { OperationRecord } from '../../src/pure/operation.js';
import type { Bench } from './bench.js';
import type { Measured, Row } from './figures.js';
import { giveBack } from './handover.js';
import { oldDetection } from './old-way.js';

/** Seconds. */
export interface Takeover {
  detection: number;
  confirmation: number;
  database: number;
  app: number;
}

interface Run {
  ours: Takeover;
  old: { detection: number; sequence: number };
  handover: number;
}

/** VCL2 loses power, VCL3 takes over, VCL2 comes back and gets the role back; by turns with the old sequence. */
export const measureTakeover = async (bench: Bench): Promise<Measured[]> => {
  const runs: Run[] = [];
  for (let turn = 1; turn <= bench.runs; turn += 1) {
    bench.say(`takeover ${turn} of ${bench.runs}`);
    runs.push(await takeTurns(bench));
  }
  return [
    { title: 'Taking over', rows: takeoverRows(bench, runs) },
    {
      title: 'Handover',
      rows: [
        {
          what: 'writes are refused for',
          size: bench.size,
          unit: 's',
          ours: runs.map(({ handover }) => handover),
        },
      ],
    },
  ];
};

const takeTurns = async ({ shop, old }: Bench): Promise<Run> => {
  await shop.clearOrders();
  await shop.order(shop.vcl2);
  await shop.backUp();

  await old.takeDump(shop.vcl2.project);
  const sequence = await old.takeOver((url) => shop.isRight(url));

  const watching = oldDetection(`${shop.vcl2.appUrl}/coffees`);
  const lost = Date.now();
  await shop.losePower();
  const answered = await shop.firstAnswer(shop.vcl3);
  await shop.serves(shop.vcl3);
  const promote = await shop.lastPromote();
  const detection = ((await watching) - lost) / 1_000;

  await shop.comeBack();
  return {
    ours: split(promote, lost, answered),
    old: { detection, sequence },
    handover: await giveBack(shop),
  };
};

/** `lost` and `answered` are moments as `Date.now`. */
export const split = (promote: OperationRecord, lost: number, answered: number): Takeover => {
  const startOf = (name: string): number => {
    const step = promote.steps.find((each) => each.name === name);
    if (step === undefined) throw new Error(`${promote.id} has no step ${name}`);
    return Date.parse(step.startedAt);
  };
  const moments = [
    lost,
    Date.parse(promote.startedAt),
    startOf('start-database'),
    startOf('start-app'),
    answered,
  ];
  const seconds = moments.map((moment, index) => (moment - (moments[index - 1] ?? lost)) / 1_000);
  const [, detection = 0, confirmation = 0, database = 0, app = 0] = seconds;
  return { detection, confirmation, database, app };
};

const takeoverRows = ({ size, wanted }: Bench, runs: readonly Run[]): Row[] => {
  const part = (what: string, pick: (run: Takeover) => number): Row => ({
    what,
    size,
    unit: 's',
    ours: runs.map(({ ours }) => pick(ours)),
  });
  const against = (pick: (old: Run['old']) => number) => ({
    baseline: { name: 'old sequence', runs: runs.map(({ old }) => pick(old)) },
  });
  return [
    {
      ...part('detection', ({ detection }) => detection),
      ...against(({ detection }) => detection),
    },
    part('confirmation', ({ confirmation }) => confirmation),
    part('database', ({ database }) => database),
    part('app', ({ app }) => app),
    {
      ...part(CONFIRMED_TO_ANSWERS, ({ database, app }) => database + app),
      ...against(({ sequence }) => sequence),
      ...wanted({ ratio: 1 / 20 }),
    },
    {
      ...part('everything', (run) => run.detection + run.confirmation + run.database + run.app),
      ...against(({ detection, sequence }) => detection + sequence),
    },
  ];
};

const CONFIRMED_TO_ANSWERS = 'confirmed → answers';

/** The largest size against the smallest. */
export const growthOf = (measured: readonly Measured[]): Measured[] => {
  const rows = measured
    .flatMap((table) => table.rows)
    .filter(({ what }) => what === CONFIRMED_TO_ANSWERS);
  const [smallest, largest] = [rows[0], rows.at(-1)];
  if (smallest === undefined || largest === undefined || smallest === largest) return [];
  const { what, unit, ours, size = '' } = largest;
  const baseline = { name: smallest.size ?? '', runs: smallest.ours };
  return [
    { title: 'Growth', rows: [{ what, size, unit, ours, baseline, atMost: { ratio: 1.2 } }] },
  ];
};
