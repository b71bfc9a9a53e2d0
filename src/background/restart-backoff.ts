import { backoff } from '../engine/retry.js';
import type { Clock } from '../ports/clock.js';

/** `excused`: something is wrong, but nothing may be done about it now. */
type Observation = 'fine' | 'excused' | 'wrong';

export interface RestartBackoff {
  /** True once the observations have been `wrong` for the present delay; the next delay is twice as long. */
  isDue(seen: Observation): boolean;
  /** How often it was due since the last reset. */
  readonly times: number;
  /** Starts again with the first delay. A `fine` observation does the same. */
  reset(): void;
}

/** Delays a restart by `first` milliseconds of `clock`, then by twice that, and so on up to `most`. */
export const createRestartBackoff = (
  clock: Clock,
  { first, most }: { first: number; most: number },
): RestartBackoff => {
  let wrongSince = clock.elapsed();
  let times = 0;
  const reset = () => {
    times = 0;
  };
  return {
    isDue: (seen) => {
      if (seen === 'fine') reset();
      if (seen !== 'wrong') wrongSince = clock.elapsed();
      const delay = backoff(times, first, most);
      if (clock.elapsed() - wrongSince < delay) return false;
      times += 1;
      // Otherwise the longest delay, once it has passed, would be due in every round.
      if (delay === most) wrongSince = clock.elapsed();
      return true;
    },
    get times() {
      return times;
    },
    reset,
  };
};
