import { afterEach, beforeEach, expect, test } from 'vitest';
import { createFailback } from '../../src/background/failback.js';
import { request } from '../../src/operations/commands.js';
import { nodeStatus } from '../../src/status/node-status.js';
import { createFakeNode, type FakeNode, takesBackups } from '../support/fake-node.js';

let serving: FakeNode;
let returned: FakeNode;
beforeEach(async () => {
  serving = await createFakeNode('primary', { settings: { failback: 'auto', failbackStable: 0 } });
  returned = await createFakeNode('standby');
});
afterEach(async () => {
  await serving.remove();
  await returned.remove();
});

/** The role is due to go back, and the returned node says this of itself. */
const failbackTo = async (problems: string[]) => {
  const { node } = serving;
  const ready = { ...nodeStatus(returned.node), epoch: node.state.current.epoch, problems };
  node.peerView.last = { value: ready, at: node.clock.now() };
  await node.state.update({ failbackDue: true });
  await createFailback(node)();
  await node.runner.wait(node.runner.current?.id ?? '', 10_000);
  return node.runner.list().map(({ kind }) => kind);
};

test.each(['no-room', 'backup-unusable', 'standing-down'])(
  'users are not turned away for a node that says %s: the handover would fail there',
  async (problem) => {
    expect(await failbackTo([problem])).toEqual([]);
    expect(await failbackTo(['drill-failed'])).toEqual(['handover']);
  },
);

test('backups go on while the returned node has to prove itself: its time does not begin anew with each', async () => {
  const { node } = serving;
  node.settings.failbackStable = 3_600_000;
  takesBackups(node.peer);
  let now = 0;
  node.clock.elapsed = () => now;
  const ready = { ...nodeStatus(returned.node), epoch: node.state.current.epoch };
  node.peerView.last = { value: ready, at: node.clock.now() };
  await node.state.update({ failbackDue: true });
  const failback = createFailback(node);
  const backUp = async () => {
    const { id } = await request(node, 'backup', { reason: '' }, { source: 'schedule' });
    await failback();
    await node.runner.wait(id, 10_000);
  };
  await failback();
  for (const minutes of [30, 30]) {
    now += minutes * 60_000;
    await backUp();
  }
  expect(node.runner.list().map(({ kind }) => kind)).toEqual(['backup', 'backup']);
  await failback();
  await node.runner.wait(node.runner.current?.id ?? '', 10_000);
  expect(node.runner.list()).toMatchObject([{ kind: 'handover' }, {}, {}]);
});

test('a role is not given back during a pause, and is when the pause has ended by itself', async () => {
  const { node } = serving;
  const ready = { ...nodeStatus(returned.node), epoch: node.state.current.epoch };
  node.peerView.last = { value: ready, at: node.clock.now() };
  await node.state.update({ failbackDue: true });
  const failback = createFailback(node);
  const until = (ms: number) => new Date(node.clock.now() + ms).toISOString();

  await node.state.update({ pause: { until: until(60_000), reason: 'deploy' } });
  await failback();
  expect(node.runner.list()).toEqual([]);

  await node.state.update({ pause: { until: until(-1), reason: 'deploy' } });
  await failback();
  await node.runner.wait(node.runner.current?.id ?? '', 10_000);
  expect(node.runner.list()).toMatchObject([{ kind: 'handover', source: 'failback' }]);
});
