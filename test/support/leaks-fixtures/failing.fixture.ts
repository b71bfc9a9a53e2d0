import { beforeAll, describe, expect, test } from 'vitest';

test('fails', () => {
  expect(1).toBe(2);
});

describe('with a hook', () => {
  beforeAll(() => {
    throw new Error('the hook fails');
  });
  test('never runs', () => {});
});
