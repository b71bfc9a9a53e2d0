import { describe, inject, test } from 'vitest';
import { Random } from '../simulation/random.js';

/** The seed of everything that this run draws. It changes with the commit; TEST_SEED repeats a run. */
export const SEED = inject('seed');

/** `npm run soak` leaves nothing out. */
export const IS_SOAK = inject('isSoak');

/**
 * Draws `count` of `things` by the run's seed, in their own order; all of them in a soak. Over many commits each is
 * drawn. `what` keeps the draws of different tests apart.
 */
export const sample = <T>(what: string, things: readonly T[], count: number): T[] => {
  if (IS_SOAK) return [...things];
  const random = new Random(SEED + hash(what));
  const drawn = new Set<T>();
  while (drawn.size < Math.min(count, things.length))
    drawn.add(things[random.integer(0, things.length - 1)] as T);
  return things.filter((thing) => drawn.has(thing));
};

/** Whether `what` is in this run: a part `share` of all such things by the run's seed, and all of them in a soak. */
export const isDrawn = (what: string, share: number): boolean =>
  IS_SOAK || new Random(SEED + hash(what)).chance(share);

/**
 * `describe` and `test` of which a run has the first of each group and a `share` of the others, and a soak has all; `some`
 * does the same for the cases of a table.
 */
export const drawnTests = (share: number) => {
  let isFirst = true;
  return {
    describe: (name: string, tests: () => void): void => {
      describe(name, () => {
        isFirst = true;
        tests();
      });
    },
    test: (name: string, run: () => Promise<void>, timeout?: number): void => {
      if (isFirst || isDrawn(name, share)) test(name, run, timeout);
      isFirst = false;
    },
    some: <T>(what: string, cases: readonly T[]): T[] =>
      sample(what, cases, Math.ceil(share * cases.length)),
  };
};

const hash = (text: string): number =>
  [...text].reduce((sum, character) => (sum * 31 + character.charCodeAt(0)) % 1_000_003, 7);
