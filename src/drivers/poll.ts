import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 250;

/**
 * Asks every 250 ms until `isDone`.
 * @throws `late()` when it is not after `timeout` milliseconds, or the signal's reason
 */
export const pollUntil = async (
  isDone: () => Promise<boolean>,
  { timeout, signal, late }: { timeout: number; signal: AbortSignal; late: () => Error },
): Promise<void> => {
  const deadline = performance.now() + timeout;
  while (!(await isDone())) {
    signal.throwIfAborted();
    if (performance.now() >= deadline) throw late();
    await sleep(POLL_MS);
  }
};
