import type { OperationRecord, StepRecord } from '../../src/domain/operation.js';
import type { Bench } from './bench.js';
import type { Measured, Row } from './figures.js';
import { CONFIRMED_TO_ANSWERS } from './growth.js';
import { giveBack } from './handover.js';
import { oldDetection } from './old-way.js';

/** Seconds. */
export interface Takeover {
  detection: number;
  confirmation: number;
  /** From there until a database starts: fencing, asking for a rescue, choosing a backup. */
  fencing: number;
  database: number;
  app: number;
}

interface Run {
  ours: Takeover;
  old: { detection: number; sequence: number };
  handover: number;
}

/** VCL2 loses power, VCL3 takes over, VCL2 comes back and gets the role back; in turns with the old sequence. */
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
  const step = (name: string): StepRecord => {
    const found = promote.steps.find((each) => each.name === name);
    if (found === undefined) throw new Error(`${promote.id} has no step ${name}`);
    return found;
  };
  const moments = [
    lost,
    Date.parse(promote.startedAt),
    Date.parse(step('confirm').endedAt ?? ''),
    Date.parse(step('start-database').startedAt),
    Date.parse(step('start-app').startedAt),
    answered,
  ];
  const seconds = moments.map((moment, index) => (moment - (moments[index - 1] ?? lost)) / 1_000);
  const [, detection = 0, confirmation = 0, fencing = 0, database = 0, app = 0] = seconds;
  return { detection, confirmation, fencing, database, app };
};

/** Seconds from the confirmed outage to the app's answer. */
const confirmedToAnswer = ({ fencing, database, app }: Takeover): number =>
  fencing + database + app;

/** Seconds from the loss to the app's answer. */
export const everything = (run: Takeover): number =>
  run.detection + run.confirmation + confirmedToAnswer(run);

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
    part('fencing and choice', ({ fencing }) => fencing),
    part('database', ({ database }) => database),
    part('app', ({ app }) => app),
    {
      ...part(CONFIRMED_TO_ANSWERS, confirmedToAnswer),
      ...against(({ sequence }) => sequence),
      ...wanted({ ratio: 1 / 20 }),
    },
    {
      ...part('everything', everything),
      ...against(({ detection, sequence }) => detection + sequence),
    },
  ];
};
