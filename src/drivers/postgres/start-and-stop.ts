import { setTimeout as sleep } from 'node:timers/promises';
import { toColdspareError } from '../../domain/errors.js';
import type { Database } from '../../ports/stack.js';
import type { KeptSession } from './kept-session.js';
import type { PsqlSession } from './psql-session.js';

export const ANSWER_TIMEOUT_MS = 3_000;
const POLL_MS = 250;
const START_AGAIN_MS = 3_000;
const CHECKPOINT_TIMEOUT_MS = 60_000;
/** How many times the time-out of a start a server may take that says nothing, before it is begun again. */
const SILENT_STARTS = 10;

/** The server's service. `start` may return before the server answers; `stop` returns when it is down. */
export type Service = Record<'start' | 'stop', (signal: AbortSignal) => Promise<void>>;

/** Starts the server until it answers, and stops it after a checkpoint. Timeouts are in milliseconds. */
export const createStartAndStop = (
  kept: KeptSession,
  service: Service | undefined,
  timeouts: { start: number; transfer: number },
): Pick<Database, 'start' | 'stop'> => {
  const stop = async (signal: AbortSignal): Promise<void> => {
    if (service !== undefined) await checkpoint(kept, signal);
    await kept.close();
    await service?.stop(signal);
    comingUpSince = undefined;
  };

  /** When the first start began of those that were given up on; undefined once one has come to something. */
  let comingUpSince: number | undefined;

  return {
    start: async (signal) => {
      if (await kept.answers(ANSWER_TIMEOUT_MS)) return;
      comingUpSince ??= performance.now();
      await service?.start(signal);
      const deadline = performance.now() + timeouts.start;
      const recoveryDeadline = performance.now() + Math.max(timeouts.start, timeouts.transfer);
      let startAgainAt = performance.now() + START_AGAIN_MS;
      for (;;) {
        try {
          await kept.use({ timeout: ANSWER_TIMEOUT_MS, signal }, isThere);
          comingUpSince = undefined;
          return;
        } catch (error) {
          signal.throwIfAborted();
          const isComingUp = isStartingUp(error);
          if (performance.now() >= (isComingUp ? recoveryDeadline : deadline)) {
            // It is left to come up, as a first start may have much to do. But not for ever: it may hang.
            const patience = SILENT_STARTS * timeouts.start;
            if (performance.now() - (comingUpSince ?? 0) >= patience) await stop(signal);
            throw error;
          }
          await sleep(POLL_MS);
          if (isComingUp) continue;
        }
        const now = performance.now();
        // Not shortly before the deadline: the last answer should not come from a server that was only just started.
        if (now < startAgainAt || deadline - now < START_AGAIN_MS) continue;
        startAgainAt = now + START_AGAIN_MS;
        // At the first start, a server that was still shutting down may have looked as if it ran. A server that is
        // starting may refuse this second start; it goes on starting.
        await service?.start(signal).catch(() => signal.throwIfAborted());
      }
    },

    stop,
  };
};

const isThere = (session: PsqlSession): Promise<unknown> => session.select('SELECT 1 AS one');

/**
 * Whether the server says that it is recovering from a crash. That takes long after many writes, and a server that is
 * stopped then has to begin again. A server that does not speak English gets the ordinary deadline.
 */
const isStartingUp = (error: unknown): boolean =>
  /the database system is (starting up|in recovery mode|not yet accepting connections)/.test(
    toColdspareError(error).message,
  );

/**
 * Checkpoint before a stop: Compose kills after 10 s, and writing gigabytes that were just restored takes longer. The
 * next start would then be a recovery. Not every user may do this; without it, the stop works as well as before.
 */
const checkpoint = async (kept: KeptSession, signal: AbortSignal): Promise<void> => {
  try {
    // A server that is down is found out sooner by this.
    await kept.use({ timeout: ANSWER_TIMEOUT_MS, signal }, isThere);
    await kept.use({ timeout: CHECKPOINT_TIMEOUT_MS, signal }, (session) =>
      session.run('CHECKPOINT'),
    );
  } catch {
    // It is down already, or the user may not do this.
  }
};
