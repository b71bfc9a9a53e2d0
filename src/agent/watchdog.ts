import { loopWithPause } from '../background/loop.js';
import { formatDuration } from '../domain/format.js';
import type { Clock } from '../ports/clock.js';
import type { Disk } from '../ports/disk.js';
import type { Log } from '../ports/log.js';
import type { App } from '../ports/stack.js';

const STOP_TIMEOUT = 60_000;

interface Watched {
  disk: Disk;
  clock: Clock;
  log: Log;
  app: App;
}

interface WatchdogOptions {
  /** File that the agent's guard touches in every round. */
  heartbeat: string;
  /** Milliseconds without a heartbeat after which the app is stopped. */
  timeout: number;
  /** Milliseconds between two checks. */
  interval: number;
}

/**
 * Runs in a process of its own and stops the app when the agent has been dead or hung for too long, because such an
 * agent cannot stop the app when its peer takes over. Goes by its own steady clock, not by the file's time. Resolves
 * when the signal is aborted.
 */
export const watch = (
  { app, ...ports }: Watched,
  { heartbeat, timeout, interval }: WatchdogOptions,
  signal: AbortSignal,
): Promise<void> => {
  const { disk, clock, log } = ports;
  let lastBeat: number | undefined;
  let changedAt = clock.elapsed();
  return loopWithPause(ports, interval, signal, 'watchdog', async () => {
    const beat = await disk.changedAt(heartbeat);
    if (beat !== lastBeat) {
      lastBeat = beat;
      changedAt = clock.elapsed();
    }
    const silence = clock.elapsed() - changedAt;
    if (silence < timeout || !(await app.isRunning())) return;
    log.warn(
      {},
      `the agent has sent no heartbeat for ${formatDuration(silence)}: stopping the app`,
    );
    await app.stop(AbortSignal.timeout(STOP_TIMEOUT));
  });
};
