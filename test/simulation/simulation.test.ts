import { describe, expect, test } from 'vitest';
import { runScript } from '../support/run-script.js';
import { IS_SOAK, SEED } from '../support/sample.js';
import { runSchedule } from './schedule.js';

/** A soak plays 10,000, which no other seed of a run shares. */
const SCHEDULES = IS_SOAK ? 10_000 : 300;
const FROM = SEED * 10_000;

describe('the same operations in a simulated world', () => {
  test(`${SCHEDULES} schedules of crashes, cut links, wrong buttons and wrong clocks break no rule`, {
    timeout: IS_SOAK ? 1_800_000 : 600_000,
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
    expect(numberOf(/^(\d+) agents cut at a step/m)).toBeGreaterThan(SCHEDULES / 3);
    // Every step of every operation was the last thing that some agent did; some hundred schedules miss a few.
    if (IS_SOAK) expect(numberOf(/each of \d+ steps at least (\d+) times/)).toBeGreaterThan(0);
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
