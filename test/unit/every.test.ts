import { expect, test } from 'vitest';
import { loopAtInterval, loopWithPause } from '../../src/background/loop.js';
import type { Clock } from '../../src/ports/clock.js';

/** Plays rounds that take so many milliseconds each. Resolves to when each began, by a clock that only they move. */
const beginnings = async (
  run: typeof loopWithPause,
  rounds: number[],
  fails: (round: number) => boolean = () => false,
): Promise<{ at: number[]; warnings: number }> => {
  const stop = new AbortController();
  const at: number[] = [];
  let now = 0;
  let running = 0;
  let warnings = 0;
  const clock: Clock = {
    now: () => now,
    elapsed: () => now,
    sleep: async (ms) => {
      expect(running).toBe(0);
      now += ms;
    },
  };
  const log = { info() {}, error() {}, warn: () => (warnings += 1) };
  await run({ clock, log }, 5_000, stop.signal, 'round', async () => {
    running += 1;
    const round = at.length;
    at.push(now);
    now += rounds[round] ?? 0;
    running -= 1;
    if (at.length === rounds.length) stop.abort();
    if (fails(round)) throw new Error('nobody answers');
  });
  return { at, warnings };
};

test('a machine is lost: three checks of 3 s each begin 5 s apart', async () => {
  const { at, warnings } = await beginnings(loopAtInterval, [3_000, 3_000, 3_000], () => true);
  expect(at).toEqual([0, 5_000, 10_000]);
  expect(warnings).toBe(3);
});

test('a check takes longer than the interval: the next follows at once, and none is caught up on', async () => {
  const { at } = await beginnings(loopAtInterval, [17_000, 0, 0, 5_000, 0]);
  expect(at).toEqual([0, 17_000, 22_000, 27_000, 32_000]);
});

test('what works the machine leaves it alone in between, however slow it is', async () => {
  const { at } = await beginnings(loopWithPause, [17_000, 0, 1_000, 0]);
  expect(at).toEqual([0, 22_000, 27_000, 33_000]);
});
