import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

/** Their steps are the second half of a handover's, and the last of a primary's boot, under the same names. */
const COVERED_ELSEWHERE = ['planInterruptedHandover', 'planMissingParts', 'planDatabaseAgain'];

test('the steps of every operation there is are cut', () => {
  const plans = readdirSync('src/operations').flatMap((file) =>
    [...readFileSync(`src/operations/${file}`, 'utf8').matchAll(/^export const (plan\w+)/gm)].map(
      ([, name = '']) => name,
    ),
  );
  const names = readFileSync('test/support/step-names.ts', 'utf8');
  const cut = plans.filter((plan) => new RegExp(`labelsOf\\(\\s*${plan}\\(`).test(names));
  expect(plans.length).toBeGreaterThan(8);
  expect(cut).toEqual(plans.filter((plan) => !COVERED_ELSEWHERE.includes(plan)));
});
