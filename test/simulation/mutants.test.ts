import { expect, test } from 'vitest';
import { runScript } from '../support/run-script.js';

/** How many schedules each mutant gets; most are caught by the first hundred. */
const SEEDS = 1_500;

test('a guard of each rule is broken on purpose, and the simulation notices', {
  timeout: 900_000,
}, async ({ task }) => {
  const { status, output } = await runScript('mutants', '--quick', `--seeds=${SEEDS}`);
  console.log(output);
  const [figure = '', caught, tried] =
    /^(\d+) of (\d+) mutants caught, of 8 rules$/m.exec(output) ?? [];
  expect(caught).toBeDefined();
  expect(caught).toBe(tried);
  expect(status).toBe(0);
  task.meta.figure = figure;
});
