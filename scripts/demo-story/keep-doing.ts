import { setTimeout as pause } from 'node:timers/promises';

/**
 * Does `work` again and again, `interval` milliseconds after its end. The returned function ends it, and
 * resolves when nothing of it runs any more.
 */
export const keepDoing = (
  interval: number,
  work: (signal: AbortSignal) => Promise<void>,
): (() => Promise<void>) => {
  const ending = new AbortController();
  const { signal } = ending;
  const doing = (async () => {
    while (!signal.aborted) {
      await work(signal);
      await pause(interval, undefined, { signal }).catch(() => {});
    }
  })();
  return async () => {
    ending.abort();
    await doing;
  };
};
