import { expect, test } from 'vitest';
import { runScript } from '../support/run-script.js';
import { IS_SOAK, sample } from '../support/sample.js';
import { applyEdits, readCode } from './break-code.js';
import { MUTANTS } from './mutants.js';

/** How many schedules each mutant gets; most are caught by the first hundred. */
const SEEDS = 1_500;

test('every guard that is to be broken is there, once', async () => {
  const code = await readCode();
  for (const { name, edits } of MUTANTS)
    expect.soft(() => applyEdits(code, edits), name).not.toThrow();
});

/** How many rules lose a guard in one run. */
const RULES = 3;

/** One guard of some rules, by the run's seed. */
const drawn = (): string[] => {
  const common = MUTANTS.filter(({ isRare }) => !isRare);
  const rules = [...new Set(common.map(({ rule }) => rule))];
  return sample('rules', rules, RULES).flatMap((rule) => {
    const names = common.filter((mutant) => mutant.rule === rule).map(({ name }) => name);
    return sample(`mutants of rule ${rule}`, names, 1);
  });
};

test('guards are broken on purpose, and the simulation notices', {
  timeout: 900_000,
}, async ({ task }) => {
  const names = IS_SOAK ? [] : drawn().flatMap((name) => ['--name', name]);
  const { status, output } = await runScript('mutants', '--quick', `--seeds=${SEEDS}`, ...names);
  console.log(output);
  const [figure = '', caught, tried] =
    /^(\d+) of (\d+) mutants caught, of \d+ rules$/m.exec(output) ?? [];
  expect(caught).toBeDefined();
  expect(caught).toBe(tried);
  expect(status).toBe(0);
  task.meta.figure = figure;
});
