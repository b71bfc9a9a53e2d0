import { readFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../ports/clock.js';

const BOOT_ID = '/proc/sys/kernel/random/boot_id';

/** The clocks of this machine. */
export const createSystemClock = (): Clock => ({
  ...uptimeClock(),
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

const uptimeClock = (): Pick<Clock, 'uptime'> => {
  try {
    const boot = readFileSync(BOOT_ID, 'utf8').trim();
    return { uptime: () => ({ boot, elapsed: uptime() * 1_000 }) };
  } catch {
    return {};
  }
};
