import { backoff } from '../operations/asking.js';
import type { Clock } from '../ports/clock.js';

/** `excused`: not as it should be, but nobody is to do anything about it yet. */
type Seen = 'fine' | 'excused' | 'wrong';

export interface Overdue {
  /** Whether what was seen has been wrong for so long that it is time to act; after that it is given longer. */
  isDue(seen: Seen): boolean;
  /** How often it has been due since all was fine. */
  readonly times: number;
  /** What was done about it has helped. */
  settle(): void;
}

/** Milliseconds of `clock`: `first` until it is due for the first time, doubling each time, up to `most`. */
export const createOverdue = (
  clock: Clock,
  { first, most }: { first: number; most: number },
): Overdue => {
  let rightAt = clock.elapsed();
  let times = 0;
  const settle = () => {
    times = 0;
  };
  return {
    isDue: (seen) => {
      if (seen === 'fine') settle();
      if (seen !== 'wrong') rightAt = clock.elapsed();
      if (clock.elapsed() - rightAt < backoff(times, first, most)) return false;
      times += 1;
      return true;
    },
    get times() {
      return times;
    },
    settle,
  };
};
