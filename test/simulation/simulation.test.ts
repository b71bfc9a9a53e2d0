import { describe, expect, test } from 'vitest';
import { runScript } from '../support/run-script.js';
import { runSchedule } from './schedule.js';

const SCHEDULES = 10_000;

describe('the same operations in a simulated world', () => {
  test(`${SCHEDULES} schedules of crashes, cut links, wrong buttons and wrong clocks break no rule`, {
    timeout: 600_000,
  }, async ({ task }) => {
    const { status, output } = await runScript('simulate', `--seeds=${SCHEDULES}`);
    console.log(output);
    const numberOf = (pattern: RegExp) => Number(pattern.exec(output)?.[1]);
    const violations = numberOf(/^(\d+) schedules with a violation/m);
    expect(violations).toBe(0);
    expect(status).toBe(0);
    // Every step of every operation was the last thing that some agent did.
    expect(numberOf(/each of \d+ steps at least (\d+) times/)).toBeGreaterThan(0);
    // Two minutes on two cores of its own. Beside other work the same takes each core a quarter longer.
    expect(numberOf(/([\d.]+) s of processor time/)).toBeLessThan(2 * 120 * 1.25);
    const schedules = numberOf(/^(\d+) schedules,/m);
    expect(schedules).toBe(SCHEDULES);
    const events = numberOf(/(\d+) events/);
    const faults = numberOf(/^(\d+) faults/m);
    task.meta.figure = `${schedules} simulated schedules: ${events} events, ${faults} faults, ${violations} violations`;
  });

  test('a seed tells the same story again, here and in another process', async () => {
    const onLine = () => {};
    for (const seed of [1, 22, 333, 4444]) {
      const { digest } = await runSchedule(seed, { onLine });
      expect((await runSchedule(seed, { onLine })).digest).toBe(digest);
      expect((await runScript('simulate', `--seed=${seed}`)).output).toContain(
        `the story: ${digest}`,
      );
    }
  });
});
