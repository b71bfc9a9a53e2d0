import { describe, expect, test } from 'vitest';

test('runs', () => {
  expect(1).toBe(1);
});

test('needs a tape drive', ({ skip }) => {
  skip('there is no tape drive here');
});

describe.skip('mainframe (there is none here)', () => {
  test('boots', () => {});
});
