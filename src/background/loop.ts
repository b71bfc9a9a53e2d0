import type { Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';

interface Ports {
  clock: Clock;
  log: Log;
}

type Loop = (
  ports: Ports,
  milliseconds: number,
  signal: AbortSignal,
  name: string,
  task: () => Promise<void>,
) => Promise<void>;

/**
 * Runs `task` again so many milliseconds after it has ended, so that a slow task does not keep the machine busy. A
 * failure is logged, and the task runs again. Resolves when the signal is aborted.
 */
export const loopWithPause: Loop = (ports, pause, ...rest) => repeat(ports, () => pause, ...rest);

/**
 * The same, but so many milliseconds after the task has begun: for tasks that mostly wait. A task that takes longer is
 * followed by the next one at once; missed runs are not caught up on.
 */
export const loopAtInterval: Loop = (ports, interval, ...rest) =>
  repeat(ports, (took) => Math.max(0, interval - took), ...rest);

const repeat = async (
  { clock, log }: Ports,
  pauseAfter: (took: number) => number,
  signal: AbortSignal,
  name: string,
  task: () => Promise<void>,
): Promise<void> => {
  while (!signal.aborted) {
    const began = clock.elapsed();
    try {
      await task();
    } catch (error) {
      log.warn({ task: name, error }, `${name} failed; it is tried again`);
    }
    await clock.sleep(pauseAfter(clock.elapsed() - began), signal).catch(() => {});
  }
};
