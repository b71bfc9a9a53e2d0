import type { Outcome } from './schedule.js';
import { STEP_LABELS } from './step-labels.js';

type Counts = Record<string, number>;

/** What many schedules came to, added up. */
export interface Figures {
  schedules: number;
  events: number;
  /** Milliseconds of simulated time. */
  simulated: number;
  /** Milliseconds of processor time. */
  processor: number;
  writes: number;
  lost: number;
  operations: Counts;
  faults: Counts;
  cuts: Counts;
  documented: Counts;
  unserved: Counts;
  failures: Pick<Outcome, 'seed' | 'violations'>[];
}

export const noFigures = (): Figures => ({
  schedules: 0,
  events: 0,
  simulated: 0,
  processor: 0,
  writes: 0,
  lost: 0,
  operations: {},
  faults: {},
  cuts: {},
  documented: {},
  unserved: {},
  failures: [],
});

export const count = (figures: Figures, outcome: Outcome): Figures =>
  add(figures, {
    ...outcome,
    schedules: 1,
    processor: 0,
    unserved: outcome.unserved === undefined ? {} : { [outcome.unserved]: 1 },
    failures: outcome.violations.length > 0 ? [outcome] : [],
  });

export const add = (a: Figures, b: Figures): Figures => ({
  schedules: a.schedules + b.schedules,
  events: a.events + b.events,
  simulated: a.simulated + b.simulated,
  processor: a.processor + b.processor,
  writes: a.writes + b.writes,
  lost: a.lost + b.lost,
  operations: sum(a.operations, b.operations),
  faults: sum(a.faults, b.faults),
  cuts: sum(a.cuts, b.cuts),
  documented: sum(a.documented, b.documented),
  unserved: sum(a.unserved, b.unserved),
  failures: [
    ...a.failures,
    ...b.failures.map(({ seed, violations }) => ({ seed, violations })),
  ].sort((first, second) => first.seed - second.seed),
});

const sum = (a: Counts, b: Counts): Counts => {
  const all = { ...a };
  for (const [name, value] of Object.entries(b)) all[name] = (all[name] ?? 0) + value;
  return all;
};

const total = (counts: Counts): number => Object.values(counts).reduce((a, b) => a + b, 0);

/** The figures as lines for people. */
export const formatFigures = (figures: Figures, seconds: number): string[] => {
  const hours = Math.round(figures.simulated / 3_600_000);
  const least = Math.min(...STEP_LABELS.map((label) => figures.cuts[label] ?? 0));
  return [
    `${figures.schedules} schedules, ${figures.events} events, ${hours} simulated hours in ${seconds.toFixed(1)} s (${(figures.processor / 1_000).toFixed(1)} s of processor time)`,
    ...table(`${total(figures.faults)} faults injected`, figures.faults),
    ...table(`${total(figures.operations)} operations`, figures.operations),
    `${total(figures.cuts)} agents cut at a step; each of ${STEP_LABELS.length} steps at least ${least} times`,
    ...table('', figures.cuts),
    `${figures.writes} writes; ${figures.lost} acknowledged ones newer than the backup of an unplanned promote, all kept aside`,
    ...table(
      `${total(figures.documented)} times both took writes, each allowed by a policy and reported`,
      figures.documented,
    ),
    ...table(
      `${total(figures.unserved)} ended without service for a named reason`,
      figures.unserved,
    ),
    `${figures.failures.length} schedules with a violation`,
    ...figures.failures
      .slice(0, 20)
      .flatMap(({ seed, violations }) =>
        violations.map(
          ({ rule, what, at }) =>
            `  seed ${seed} at ${(at / 1_000).toFixed(1)} s, rule ${rule}: ${what}`,
        ),
      ),
  ];
};

const table = (title: string, counts: Counts): string[] => [
  ...(title === '' ? [] : [title]),
  ...Object.entries(counts)
    .sort(([a, m], [b, n]) => n - m || a.localeCompare(b))
    .map(([name, number]) => `  ${String(number).padStart(8)}  ${name}`),
];
