import { expect, test } from 'vitest';

test('counts', ({ task }) => {
  task.meta.figure = '7 sheep';
});

test('miscounts', ({ task }) => {
  task.meta.figure = '8 wolves';
  expect(1).toBe(2);
});
