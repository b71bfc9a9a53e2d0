import type { Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';

/**
 * Runs `task` every `interval` milliseconds, the pause counted from its end so that a slow one never piles up.
 * A failing task is logged and runs again. Resolves when the signal is aborted.
 */
export const every = async (
  { clock, log }: { clock: Clock; log: Log },
  interval: number,
  signal: AbortSignal,
  name: string,
  task: () => Promise<void>,
): Promise<void> => {
  while (!signal.aborted) {
    try {
      await task();
    } catch (error) {
      log.warn({ task: name, error }, `${name} failed; it is tried again`);
    }
    await clock.sleep(interval, signal).catch(() => {});
  }
};
