import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../ports/clock.js';

/** The clocks of this machine. */
export const createSystemClock = (): Clock => ({
  now: () => Date.now(),
  elapsed: () => performance.now(),
  sleep: async (ms, signal) => {
    try {
      await sleep(ms, undefined, signal && { signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    }
  },
});
