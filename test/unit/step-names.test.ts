import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DECISIVE } from '../support/fault-rules.js';
import { STEPS } from '../support/step-names.js';

/**
 * Their steps are the second half of a handover's or of a promote's, and the last of a primary's boot, under the same
 * names. The simulation cuts the first step of `planFindRole`.
 */
const COVERED_ELSEWHERE = [
  'planDatabaseRestart',
  'planFindRole',
  'planInterruptedHandover',
  'planMissingParts',
  'planPromoteRestart',
  'planReclaim',
  'planPromoteRemainder',
  'planResumed',
];

test('the steps of every operation there is are cut', () => {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );
  const plans = files.flatMap((file) =>
    [...readFileSync(join('src', file), 'utf8').matchAll(/^export const (plan\w+)/gm)].map(
      ([, name = '']) => name,
    ),
  );
  const names = readFileSync('test/support/step-names.ts', 'utf8');
  const cut = plans.filter((plan) => new RegExp(`labelsOf\\(\\s*${plan}\\(`).test(names));
  expect(plans.length).toBeGreaterThan(8);
  expect(cut).toEqual(plans.filter((plan) => !COVERED_ELSEWHERE.includes(plan)));
});

test('every step that each run is killed at is a step', () => {
  const labels = Object.values(STEPS).flat();
  expect(DECISIVE.filter((label) => !labels.includes(label))).toEqual([]);
});
