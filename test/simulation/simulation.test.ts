import { describe, expect, test } from 'vitest';
import { runScript } from '../support/run-script.js';
import { IS_SOAK, SEED } from '../support/sample.js';
import { runSchedule } from './schedule.js';

/** A soak plays 10,000, which no other seed of a run shares. */
const SCHEDULES = IS_SOAK ? 10_000 : 1_000;
const FROM = SEED * 10_000;

describe('the same operations in a simulated world', () => {
  test(`${SCHEDULES} schedules of crashes, cut links, wrong buttons and wrong clocks break no rule`, {
    timeout: 600_000,
  }, async ({ task }) => {
    const { status, output } = await runScript(
      'simulate',
      `--seeds=${SCHEDULES}`,
      `--from=${FROM}`,
    );
    console.log(output);
    const numberOf = (pattern: RegExp) => Number(pattern.exec(output)?.[1]);
    const violations = numberOf(/^(\d+) schedules with a violation/m);
    expect(violations).toBe(0);
    expect(status).toBe(0);
    // Every step of every operation was the last thing that some agent did.
    expect(numberOf(/each of \d+ steps at least (\d+) times/)).toBeGreaterThan(0);
    // 10,000 in two minutes on two cores of its own. Beside other work the same takes each core a quarter longer.
    const milliseconds = (2 * 120_000) / 10_000;
    expect((numberOf(/([\d.]+) s of processor time/) * 1_000) / SCHEDULES).toBeLessThan(
      milliseconds * 1.25,
    );
    const schedules = numberOf(/^(\d+) schedules,/m);
    expect(schedules).toBe(SCHEDULES);
    const events = numberOf(/(\d+) events/);
    const faults = numberOf(/^(\d+) faults/m);
    task.meta.figure = `${schedules} simulated schedules from ${FROM} on: ${events} events, ${faults} faults, ${violations} violations`;
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
