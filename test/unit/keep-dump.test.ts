import { afterEach, expect, test } from 'vitest';
import { ColdspareError } from '../../src/domain/errors.js';
import type { OperationRecord } from '../../src/domain/operation.js';
import { request } from '../../src/operations/commands.js';
import { BLOCKED } from '../../src/ports/stack.js';
import { createFakeNode, type FakeNode, takesBackups } from '../support/fake-node.js';

let fake: FakeNode;
let pauses: number[];
const WAIT = 10_000;
afterEach(() => fake.remove());

/** A backup of a database that fails so often like this, and then is dumped. */
const backUp = async (failures: number, value?: string): Promise<OperationRecord | undefined> => {
  fake = await createFakeNode('primary');
  const { node, database } = fake;
  takesBackups(node.peer);
  pauses = [];
  const { sleep } = node.clock;
  node.clock.sleep = async (ms, signal) => {
    if (ms === WAIT) return sleep(ms, signal);
    pauses.push(ms);
  };
  const dump = database.dump.bind(database);
  let tries = 0;
  database.dump = async (sink, signal) => {
    tries += 1;
    if (tries > failures) return dump(sink, signal);
    sink.destroy();
    throw new ColdspareError('database-failed', 'it cannot be dumped', 'none', {
      value,
    });
  };
  const { id } = await request(node, 'backup', { reason: '' }, { source: 'schedule' });
  return node.runner.wait(id, WAIT);
};

test('a dump that made way for others is taken again, and only the whole one is kept', async () => {
  expect(await backUp(3, BLOCKED)).toMatchObject({ state: 'done' });
  expect(fake.node.backups.list()).toHaveLength(1);
  // Whoever it made way for has to come to an end first.
  expect(pauses).toEqual([1_000, 2_000, 4_000]);
});

test('one that makes way again and again is given up', async () => {
  expect(await backUp(100, BLOCKED)).toMatchObject({ error: { code: 'database-failed' } });
});

test('one that failed for another reason is not taken again', async () => {
  expect(await backUp(1)).toMatchObject({ error: { code: 'database-failed' } });
});
