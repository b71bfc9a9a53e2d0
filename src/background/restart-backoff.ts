import { backoff } from '../engine/retry.js';
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

/** It is due once it has been wrong for `first` ms of `clock`, for twice that, and so on; in the end every `most` ms. */
export const createRestartBackoff = (
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
      const patience = backoff(times, first, most);
      if (clock.elapsed() - rightAt < patience) return false;
      times += 1;
      // It would be due in every round from here on.
      if (patience === most) rightAt = clock.elapsed();
      return true;
    },
    get times() {
      return times;
    },
    settle,
  };
};
