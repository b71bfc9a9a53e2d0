import { isError } from '../domain/errors.js';
import { backoff } from '../engine/retry.js';
import type { Clock } from '../ports/clock.js';

/** Pauses in milliseconds. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 30_000;

/** Tries again when no answer comes, because the link may be down for a moment. A refusal is final. */
export const retryUnreachable = async <T>(
  { clock }: { clock: Clock },
  signal: AbortSignal,
  attempt: () => Promise<T>,
  tries = 4,
): Promise<T> => {
  for (let failures = 0; ; failures += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (failures + 1 >= tries || !isError(error, 'peer-unreachable')) throw error;
      await clock.sleep(backoff(failures, FIRST_PAUSE, LONGEST_PAUSE), signal);
    }
  }
};
