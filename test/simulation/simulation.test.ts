import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { runSchedule } from './schedule.js';

const SCHEDULES = 10_000;

/** As `npm run simulate` does it, in processes of its own. */
const simulate = async (...args: string[]): Promise<{ status: number | null; output: string }> => {
  const child = spawn(process.execPath, ['dist/scripts/simulate.js', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (data) => {
    output += data;
  });
  const [status] = await once(child, 'close');
  return { status, output };
};

describe('the same operations in a simulated world', () => {
  test(`${SCHEDULES} schedules of crashes, cut links, wrong buttons and wrong clocks break no rule`, {
    timeout: 600_000,
  }, async () => {
    const { status, output } = await simulate(`--seeds=${SCHEDULES}`);
    console.log(output);
    expect(output).toContain('0 schedules with a violation');
    expect(status).toBe(0);
    // Every step of every operation was the last thing that some agent did.
    expect(Number(/each of \d+ steps at least (\d+) times/.exec(output)?.[1])).toBeGreaterThan(0);
    // Two minutes on two cores; how long it takes depends on what else runs there.
    const seconds = Number(/([\d.]+) s of processor time/.exec(output)?.[1]);
    expect(seconds).toBeLessThan(2 * 120);
  });

  test('a seed tells the same story again, here and in another process', async () => {
    for (const seed of [1, 22, 333, 4444]) {
      const { digest } = await runSchedule(seed, () => {});
      expect((await runSchedule(seed, () => {})).digest).toBe(digest);
      expect((await simulate(`--seed=${seed}`)).output).toContain(`the story: ${digest}`);
    }
  });
});
