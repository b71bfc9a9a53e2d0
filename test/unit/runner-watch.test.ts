import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import type { OperationState } from '../../src/domain/operation.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';
import { planOf } from '../support/plans.js';

let fake: FakeNode;

afterEach(() => fake.remove());

test('an operation that ends while its reader is busy is still told to its end', async () => {
  fake = await createFakeNode('standby');
  const { runner } = fake.node;
  const { id } = await runner.start(quick, { source: 'operator' });
  const seen: OperationState[] = [];
  for await (const { state } of runner.watch(id, new AbortController().signal)) {
    seen.push(state);
    await pause(100);
  }
  expect(seen[0]).toBe('running');
  expect(seen.at(-1)).toBe('done');
});

const quick = planOf([{ name: 'only', run: () => pause(20) }], { kind: 'backup' });
