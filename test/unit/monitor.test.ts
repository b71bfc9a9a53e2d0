import { Readable } from 'node:stream';
import { afterEach, expect, test } from 'vitest';
import { createMonitor } from '../../src/background/monitor.js';
import { request } from '../../src/operations/commands.js';
import { nodeStatus } from '../../src/status/node-status.js';
import { createFakeNode, type FakeNode, LINEAGE } from '../support/fake-node.js';

let fake: FakeNode;

afterEach(() => fake.remove());

test('an outage right after one that came to nothing is acted on at once', async () => {
  fake = await createFakeNode('standby', { settings: { monitor: 'on', failThreshold: 2 } });
  const { node } = fake;
  const lost = node.peer.status;
  const serving = async () => ({ ...nodeStatus(node), serving: true });
  const check = createMonitor(node);
  const promotes = () => node.runner.list().filter(({ kind }) => kind === 'promote');
  const outage = async () => {
    node.peer.status = lost;
    await check();
    await check();
    await node.runner.wait(promotes()[0]?.id ?? '', 5_000);
  };

  await outage();
  expect(promotes()).toMatchObject([{ state: 'refused', error: { code: 'no-backup' } }]);
  node.peer.status = serving;
  await check();
  await outage();
  expect(promotes()).toHaveLength(2);
});

test('an agent that crashes again and again does not put the next request off for ever', async () => {
  fake = await createFakeNode('standby', {
    settings: { monitor: 'on', failThreshold: 1, confirmChecks: 1, aloneGrace: 0 },
  });
  const { node } = fake;
  const lost = node.peer.status;
  const idle = async () => ({ ...nodeStatus(node), mode: 'primary' as const, serving: false });
  let now = node.clock.elapsed();
  node.clock.elapsed = () => now;
  const check = createMonitor(node);
  for (let round = 0; round < 20; round += 1) {
    node.peer.status = round % 2 === 0 ? lost : idle;
    await check();
    await node.runner.wait(node.runner.current?.id ?? '', 5_000);
    now += 5_000;
  }
  const promotes = node.runner.list().filter(({ kind }) => kind === 'promote');
  expect(promotes.length).toBeGreaterThanOrEqual(5);
});

/** A standby whose primary is lost, and how often its monitor and its operations have asked for it. */
const lonely = async () => {
  fake = await createFakeNode('standby', {
    settings: {
      ...{ monitor: 'on', failThreshold: 3, confirmChecks: 3, confirmInterval: 10 },
      // Its agent has been running for long.
      aloneGrace: 0,
    },
  });
  const { node } = fake;
  const lost = node.peer.status;
  let asked = 0;
  node.peer.status = () => {
    asked += 1;
    return lost();
  };
  await receiveBackup(node);
  return { node, asked: () => asked, check: createMonitor(node) };
};

const receiveBackup = async ({ backups }: FakeNode['node']): Promise<void> => {
  const id = 'ledger_20261122_193000';
  const received = await backups.receive(id, Readable.from(['{}']), undefined);
  await backups.commit({
    ...{ id, database: 'ledger', node: 'vcl2', lineage: LINEAGE, epoch: 1, sequence: 1 },
    ...{ format: 'custom', serverVersion: '15.8', takenAt: new Date().toISOString() },
    inventory: { rows: {}, sequences: {}, largeObjects: 0 },
    ...received,
  });
};

test('the monitor has seen three checks fail: a lost machine is waited for once more, before the commit', async () => {
  const { node, asked, check } = await lonely();
  for (let round = 0; round < 3; round += 1) await check();
  const promote = await node.runner.wait(node.runner.current?.id ?? '', 10_000);
  expect(promote).toMatchObject({ source: 'monitor', state: 'done' });
  expect(asked()).toBe(3 + 1);
});

test('something else had to end first: what the monitor saw is past, and it is looked once more', async () => {
  const { node, asked, check } = await lonely();
  const { elapsed } = node.clock;
  node.runner.start = ((start) => async (plan, by) => {
    node.clock.elapsed = () => elapsed() + 60_000;
    return start(plan, by);
  })(node.runner.start.bind(node.runner));
  for (let round = 0; round < 3; round += 1) await check();
  const promote = await node.runner.wait(node.runner.current?.id ?? '', 10_000);
  expect(promote).toMatchObject({ source: 'monitor', state: 'done' });
  expect(asked()).toBe(3 + 1 + 1);
});

test.each(['operator', 'webhook'] as const)(
  "the %s's word is confirmed by as many looks as configured",
  async (source) => {
    const { node, asked, check } = await lonely();
    await check();
    const command = { force: false, planned: false, dryRun: false, reason: '' };
    const { id } = await request(node, 'promote', command, { source });
    expect(await node.runner.wait(id, 10_000)).toMatchObject({ state: 'done' });
    expect(asked()).toBe(1 + 3 + 1);
  },
);
