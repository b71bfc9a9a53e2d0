import { isError } from '../domain/errors.js';
import { retry } from '../engine/retry.js';
import type { Clock } from '../ports/clock.js';

const TRIES = 4;
const FIRST_PAUSE = 1_000;

/** Tries again when no answer comes, because the link may be down for a moment. A refusal is final. */
export const retryUnreachable = <T>(
  { clock }: { clock: Clock },
  signal: AbortSignal,
  attempt: () => Promise<T>,
  tries = TRIES,
): Promise<T> =>
  retry(
    { clock, signal },
    {
      tries,
      firstPause: FIRST_PAUSE,
      isFinal: (error) => !isError(error, 'peer-unreachable'),
    },
    attempt,
  );
