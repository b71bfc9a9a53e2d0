import { afterEach, beforeEach, expect, test } from 'vitest';
import { promotion } from '../../src/operations/promote/commit-role.js';
import { requestFence } from '../../src/operations/requests.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';

const BACKUP = 'ledger_20261122_193000';

let fake: FakeNode;
beforeEach(async () => {
  fake = await createFakeNode('primary');
  const { node, database } = fake;
  await node.state.update({
    promotion: { operation: 'taken-over', epoch: 1, backup: BACKUP, at: new Date().toISOString() },
    unusedAt: [await database.usage()],
  });
});
afterEach(() => fake.remove());

const write = (): void => {
  const live = fake.database.databases.get('ledger');
  if (live !== undefined) live.rows['1 an order'] = 1;
};
const ask = (backup = BACKUP) =>
  requestFence(fake.node, {
    ...{ operation: 'taking-back', epoch: 2 },
    unusedBeside: { epoch: 7, backup },
  });

/** The takeover itself has not ended: it waits for its app. */
const waitForApp = async (): Promise<string> => {
  const { id } = await fake.node.runner.start(
    {
      ...promotion(fake.node),
      ...{ reason: '', command: { type: 'promote' }, steps: ['wait-for-app'] },
      run: (steps) =>
        steps.step('wait-for-app', async ({ signal, commit }) => {
          commit();
          await fake.node.clock.sleep(60_000, signal);
        }),
    },
    { source: 'monitor' },
  );
  return id;
};

test('nobody has written since the takeover: it gives way', async () => {
  expect(await ask()).toMatchObject({ mode: 'yielding', unused: true });
  expect(fake.app.runs).toBe(false);
  expect(fake.database.isFrozen).toBe(true);
});

test.each([
  ['somebody has written', write, BACKUP],
  ['it had started from data of another branch', () => {}, 'ledger_20261122_180000'],
  ['nobody knows what was written', () => fake.node.state.update({ unusedAt: [] }), BACKUP],
])('%s: it goes on, and nothing is stopped', async (_why, happens, backup) => {
  await happens();
  await expect(ask(backup)).rejects.toMatchObject({ code: 'superseded' });
  expect(fake.app.runs).toBe(true);
  expect(fake.node.state.current.mode).toBe('primary');
});

test('somebody writes while its app is being stopped: its answer says so', async () => {
  const { app } = fake;
  const stop = app.stop.bind(app);
  app.stop = () => {
    write();
    return stop();
  };
  expect(await ask()).toMatchObject({ unused: false });
});

test('its app has not come up yet: it gives way all the same', async () => {
  const id = await waitForApp();
  expect(await ask()).toMatchObject({ mode: 'yielding', unused: true });
  expect(fake.node.runner.get(id)?.error?.code).toBe('preempted');
});

test('its app starts, and may be all that has written: it is asked again later', async () => {
  await waitForApp();
  write();
  await expect(ask()).rejects.toMatchObject({ code: 'busy' });
  expect(fake.node.state.current.mode).toBe('primary');
});
