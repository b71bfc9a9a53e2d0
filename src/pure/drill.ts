import { z } from 'zod';

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
 * checks, when it is confirmed, and when it is to be fenced. With MONITOR=off from the moment that somebody says so.
 */
export const foreseeTakeOver = ({ settings, seconds, isPrepared, appStart }: TakeOver) => {
  const { checkInterval, checkTimeout, failThreshold, confirmChecks, confirmInterval } = settings;
  const detection =
    settings.monitor === 'on' ? (failThreshold * (checkInterval + checkTimeout)) / 1_000 : 0;
  const looks = confirmChecks * checkTimeout + (confirmChecks - 1) * confirmInterval;
  // One look more before it is fenced, and one right before the commit.
  const confirmation = (looks + 2 * checkTimeout) / 1_000;
  const restoration = isPrepared ? 0 : seconds.restore + seconds.verify;
  const database = toMilliseconds(seconds.start + restoration);
  const total = toMilliseconds(detection + confirmation + database + (appStart ?? 0));
  return { detection, confirmation, database, appStart, total };
};

/** Without the noise of binary fractions. */
const toMilliseconds = (seconds: number): number => Math.round(seconds * 1_000) / 1_000;
