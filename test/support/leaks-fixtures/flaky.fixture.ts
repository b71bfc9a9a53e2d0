import { expect, test } from 'vitest';

let tries = 0;

test('a coin is tossed', () => {
  tries += 1;
  expect(tries, 'heads at first').toBe(2);
});
