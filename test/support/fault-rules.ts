import type { FaultRule } from './pair.js';
import { isDrawn, sample } from './sample.js';

/** How much of the failures a run of a file draws, beside those of decisive steps. */
const FAILURES_DRAWN = 0.25;

/** A step fails, before its effect and after it: one test each. For a pair in process. */
export const failures = (labels: readonly string[]): FaultRule[] =>
  labels
    .flatMap((label): FaultRule[] => [
      { label, moment: 'before', action: 'fail' },
      { label, moment: 'after', action: 'fail' },
    ])
    .filter(
      ({ label, moment }, index) =>
        index === 0 ||
        DECISIVE.includes(label) ||
        isDrawn(`${label} fails ${moment}`, FAILURES_DRAWN),
    );

/** How many kills a run of a file draws of each operation, beside those that it always has. */
const DRAWN = 1;

/**
 * Steps that commit, promise, swap or move what both nodes go by: a kill before and after each belongs to every run of
 * the file. ./scripts/test runs one of each six of these files, and a soak all of them.
 */
export const DECISIVE: readonly string[] = [
  'adopt.adopt',
  'boot.resume',
  'drill.restore',
  'fence.record-fence',
  'handover.offer',
  'handover.await-peer',
  'handover.stand-down',
  'prepare.swap',
  'promote.fence',
  'promote.swap',
  'promote.commit-role',
  'receive.commit',
  'stand-down.set-aside',
];

/**
 * Kills of the agent before each step and after the last one. A restart goes by the state on disk, which does not change
 * between two steps, so a kill after a step is a kill before the next. A soak has all of them; else those around the
 * decisive steps, and some more that change with the commit.
 */
export const kills = (operation: string, labels: readonly string[]): FaultRule[] => {
  const all: FaultRule[] = [
    ...labels.map((label): FaultRule => ({ label, moment: 'before', action: 'kill' })),
    ...labels.slice(-1).map((label): FaultRule => ({ label, moment: 'after', action: 'kill' })),
  ];
  // Killed after a step is killed before the next one.
  const isAlwaysThere = (rule: FaultRule): boolean => {
    const index = all.indexOf(rule);
    return [all[index]?.label, all[index - 1]?.label].some(
      (label) => label !== undefined && DECISIVE.includes(label),
    );
  };
  const others = all.filter((rule) => !isAlwaysThere(rule));
  const drawn = sample(`kills of ${operation}`, others, DRAWN);
  return all.filter((rule) => isAlwaysThere(rule) || drawn.includes(rule));
};

/** One case for every step: it is held before it begins, until `release`. */
export const held = (labels: readonly string[]) =>
  labels.map((label): FaultRule => ({ label, moment: 'before', action: 'hold' }));

/** The same for `count` of the steps, which change with the commit; for all of them in a soak. */
export const heldSome = (what: string, labels: readonly string[], count: number) =>
  held(sample(what, labels, count));

/** A row that is written before the cut, so that its loss would show. */
export const saying = (cut: FaultRule): string => `before ${cut.label} ${cut.moment} ${cut.action}`;
