import { createTask, parse } from 'node-cron';
import type { Clock } from '../ports/clock.js';
import type { Log } from '../ports/log.js';

const SECOND = 1_000;
const MINUTE = 60_000;
/** Milliseconds of missed slots that are looked through. Of a longer gap one counts as missed, so that no clock keeps the agent busy. */
const LONGEST_GAP = 24 * 60 * MINUTE;

/**
 * Runs `task` at each slot of a cron expression in UTC. Slots that were missed, because the machine slept, was busy or
 * had its clock set, are one run, at once. A clock that is put back starts from there. Resolves when the signal is aborted.
 */
export const runAtSlots = async (
  { clock, log }: { clock: Clock; log: Log },
  expression: string,
  name: string,
  signal: AbortSignal,
  task: () => Promise<void>,
): Promise<void> => {
  const hasSlot = slotsOf(expression);
  for (let seen = clock.now(); !signal.aborted; ) {
    await clock.sleep(SECOND - (clock.now() % SECOND), signal).catch(() => {});
    const now = clock.now();
    const isDue = !signal.aborted && hasSlot(seen, now);
    seen = now;
    if (!isDue) continue;
    await task().catch((error: unknown) =>
      log.error({ error }, `the ${name} could not be started`),
    );
  }
};

/** Whether a slot lies after `from` and not after `to`, in milliseconds since 1970. */
const slotsOf = (expression: string): ((from: number, to: number) => boolean) => {
  // Only to compare with: it is never started.
  const slots = createTask(expression, () => {}, { timezone: 'Etc/UTC' });
  const { second: seconds } = parse(expression);
  return (from, to) => {
    if (to - from > LONGEST_GAP) return true;
    for (let minute = Math.floor(from / MINUTE) * MINUTE; minute <= to; minute += MINUTE) {
      for (const second of seconds) {
        const at = minute + second * SECOND;
        if (at > from && at <= to && slots.match(new Date(at))) return true;
      }
    }
    return false;
  };
};
