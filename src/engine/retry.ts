import { ColdspareError } from '../domain/errors.js';
import { formatDuration } from '../domain/format.js';
import type { Clock } from '../ports/clock.js';

/** The pause after a number of attempts, in milliseconds: it doubles up to `most`. */
export const backoff = (attempt: number, first: number, most: number): number =>
  Math.min(first * 2 ** attempt, most);

/**
 * Asks every `pause` milliseconds until `ask` resolves to something. `goesOn` allows another `timeout` from then on.
 * @throws ColdspareError `timed-out` after `timeout` milliseconds
 */
export const pollUntil = async <T>(
  { clock, signal }: { clock: Clock; signal: AbortSignal },
  { timeout, pause, what }: { timeout: number; pause: number; what: string },
  ask: (goesOn: () => void) => Promise<T | undefined>,
): Promise<T> => {
  let deadline = clock.elapsed() + timeout;
  const goesOn = () => {
    deadline = clock.elapsed() + timeout;
  };
  for (;;) {
    const answer = await ask(goesOn);
    if (answer !== undefined) return answer;
    if (clock.elapsed() >= deadline) {
      throw new ColdspareError(
        'timed-out',
        `${what}: not within ${formatDuration(timeout)}`,
        'GET /status shows what is missing',
      );
    }
    await clock.sleep(pause, signal);
  }
};

export interface Backoff {
  /** Whether the pause since the last try has passed. */
  isDue(): boolean;
  /** Records a try: the next pause is twice as long. */
  tried(): void;
  /** Allows the next try after `pause` milliseconds (default 0); the pauses start from the first again. */
  reset(pause?: number): void;
  /** Allows the next try after `pause` milliseconds at the latest; the pauses start from the first again. */
  within(pause: number): void;
}

/** Pauses that grow with every try until a reset, from `first` to `most` milliseconds. */
export const createBackoff = (
  clock: Pick<Clock, 'elapsed'>,
  { first, most }: { first: number; most: number },
): Backoff => {
  let tries = 0;
  let notBefore = Number.NEGATIVE_INFINITY;
  return {
    isDue: () => clock.elapsed() >= notBefore,
    tried: () => {
      notBefore = clock.elapsed() + backoff(tries, first, most);
      tries += 1;
    },
    reset: (pause = 0) => {
      tries = 0;
      notBefore = clock.elapsed() + pause;
    },
    within: (pause) => {
      tries = 0;
      notBefore = Math.min(notBefore, clock.elapsed() + pause);
    },
  };
};
