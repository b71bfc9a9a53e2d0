import { afterEach, expect, test } from 'vitest';
import { createIdleDatabaseWatch } from '../../src/background/idle-database.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';
import { roundsOf } from '../support/rounds.js';

const TEN_MINUTES = 600_000;

let fake: FakeNode;
afterEach(() => fake.remove());

const see = (answers: boolean): void => {
  fake.node.local.database = { value: { answers, marker: undefined }, at: 0 };
};

/** A node whose database runs, and its rounds after so many ms: each resolves to the reason of what it started, if it did. */
const watched = async (mode: 'primary' | 'standby') => {
  fake = await createFakeNode(mode);
  see(true);
  const round = roundsOf(fake.node, createIdleDatabaseWatch);
  return async (ms: number) => (await round(ms))?.reason;
};

test('somebody starts the database of a standby and leaves it: it is cold again after ten minutes', async () => {
  const after = await watched('standby');
  expect(await after(TEN_MINUTES / 2)).toBeUndefined();
  expect(fake.database.isUp).toBe(true);
  expect(await after(TEN_MINUTES / 2)).toBe('the database was left running');
  expect(fake.database.isUp).toBe(false);
  // Nobody has looked at it since.
  expect(await after(TEN_MINUTES / 2)).toBeUndefined();
});

test('one that was cold in between has its time again', async () => {
  const after = await watched('standby');
  await after(TEN_MINUTES / 2);
  see(false);
  await after(TEN_MINUTES / 2);
  see(true);
  expect(await after(TEN_MINUTES / 2)).toBeUndefined();
  expect(await after(TEN_MINUTES / 2)).toBeDefined();
});

test('during a pause somebody may look into it for as long as they like', async () => {
  const after = await watched('standby');
  const until = new Date(fake.node.clock.now() + TEN_MINUTES).toISOString();
  await fake.node.state.update({ pause: { until, reason: 'looking for lost writes' } });
  expect(await after(10 * TEN_MINUTES)).toBeUndefined();
  expect(fake.database.isUp).toBe(true);
});

test("a primary's database is nobody's to stop", async () => {
  const after = await watched('primary');
  expect(await after(2 * TEN_MINUTES)).toBeUndefined();
  expect(fake.database.isUp).toBe(true);
});
