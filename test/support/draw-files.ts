import { Random } from '../simulation/random.js';
import { COSTLY } from './costly-files.js';

/** Of so many neighbors in COSTLY, which cost about the same, one is run. */
export const NEIGHBORS = 6;

/**
 * The costly test files that ./scripts/test leaves out. The seed keeps one of each few neighbors, so every run takes as long
 * as another, and over some commits every file is run.
 */
export const filesLeftOut = (seed: number): string[] => {
  const random = new Random(seed);
  const groups = Array.from({ length: Math.floor(COSTLY.length / NEIGHBORS) }, (_, index) =>
    COSTLY.slice(NEIGHBORS * index, NEIGHBORS * (index + 1)),
  );
  return groups.flatMap((group) => {
    const kept = random.integer(0, NEIGHBORS - 1);
    return group.filter((_, index) => index !== kept);
  });
};
