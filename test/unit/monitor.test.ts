import { afterEach, expect, test } from 'vitest';
import { nodeStatus } from '../../src/operations/status.js';
import { createMonitor } from '../../src/schedule/monitor.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';

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
