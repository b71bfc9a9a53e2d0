import { z } from 'zod';
import { recheckTimeout } from './recheck-timeout.js';

const seconds = z.number().nonnegative();

export const drillRecordSchema = z
  .object({
    at: z.iso.datetime(),
    backup: z.string(),
    passed: z.boolean(),
    error: z.string().nullable().describe('What went wrong; null when it passed'),
    seconds: z
      .object({ start: seconds, restore: seconds, verify: seconds, query: seconds, total: seconds })
      .describe('How long each part took; 0 for one that it did not come to'),
    takeOverSeconds: seconds
      .nullable()
      .describe(
        'How long a takeover from a lost machine would take now, at most; null when the drill failed, and on a primary',
      ),
  })
  .meta({ id: 'Drill' });

/** What the last drill came to. */
export type DrillRecord = z.infer<typeof drillRecordSchema>;

interface TakeOver {
  /** Lengths of time in milliseconds, as configured. */
  settings: {
    monitor: 'on' | 'off';
    checkInterval: number;
    checkTimeout: number;
    failThreshold: number;
    confirmChecks: number;
    confirmInterval: number;
  };
  /** As the drill measured them. */
  seconds: DrillRecord['seconds'];
  /** Whether the backup lies restored already. */
  isPrepared: boolean;
  /** How long the app took to answer when it was started last, in seconds; undefined when it never was. */
  appStart: number | undefined;
}

/**
 * The longest that a takeover from a lost machine takes: every look at it runs into its time-out, at the monitor's
 * checks and right before the commit. With MONITOR=off from the moment that somebody says so, which is confirmed.
 */
export const foreseeTakeOver = ({ settings, seconds, isPrepared, appStart }: TakeOver) => {
  const { checkInterval, checkTimeout, failThreshold, confirmChecks, confirmInterval } = settings;
  const isWatched = settings.monitor === 'on';
  // It may be lost right after a check.
  const checks =
    checkInterval + (failThreshold - 1) * Math.max(checkInterval, checkTimeout) + checkTimeout;
  const detection = isWatched ? checks / 1_000 : 0;
  // What the monitor has seen just now is not looked at again.
  const looks = isWatched
    ? 0
    : confirmChecks * checkTimeout + (confirmChecks - 1) * confirmInterval;
  const restoration = isPrepared ? 0 : seconds.restore + seconds.verify;
  const database = toMilliseconds(seconds.start + restoration);
  const fenceAgain = Math.min(checkTimeout, recheckTimeout(database * 1_000));
  const confirmation = toMilliseconds((looks + fenceAgain) / 1_000);
  const total = toMilliseconds(detection + confirmation + database + (appStart ?? 0));
  return { detection, confirmation, database, appStart, total };
};

/** Without the noise of binary fractions. */
const toMilliseconds = (seconds: number): number => Math.round(seconds * 1_000) / 1_000;
