import { afterEach, expect, test } from 'vitest';
import { ColdspareError } from '../../src/domain/errors.js';
import { resolvePendingYield } from '../../src/operations/boot/resolve-pending-yield.js';
import { request } from '../../src/operations/commands.js';
import { requestFence, requestTakeOver } from '../../src/operations/requests.js';
import { createFakeNode, type FakeNode, takesBackups } from '../support/fake-node.js';
import { held } from '../support/held.js';
import { receive } from '../support/received.js';

let fake: FakeNode;
afterEach(() => fake.remove());

test('a takeover was given up while the app still stops: the next one is promised anew, and gets its last dump', async () => {
  fake = await createFakeNode('primary');
  const { node, app } = fake;
  const stopping = held();
  const stop = app.stop.bind(app);
  app.stop = async () => {
    await stopping.over;
    await stop();
  };
  const first = requestFence(node, { operation: 'promote-one', epoch: 2 });
  await expect.poll(() => node.runner.current?.kind).toBe('fence');
  const second = requestFence(node, { operation: 'promote-two', epoch: 2 });
  stopping.letGo();

  expect(await first).toMatchObject({ mode: 'yielding' });
  expect(await second).toMatchObject({ mode: 'yielding' });
  expect(node.state.current.yielding).toMatchObject({ operation: 'promote-two' });
  takesBackups(node.peer);
  const rescue = await request(
    node,
    'backup',
    { rescue: 'promote-two', reason: '' },
    { source: 'peer' },
  );
  await node.runner.wait(rescue.id, 10_000);
  // What became of the first one is nobody's business any more.
  const askedFor: string[] = [];
  node.peer.operation = async (id) => {
    askedFor.push(id);
    return { ...rescue, id, state: 'running', committed: false };
  };
  await resolvePendingYield(node);
  expect(askedFor).toEqual(['promote-two']);
  expect(node.state.current.mode).toBe('yielding');
});

test('a handover meets a takeover that has begun by itself: it does not take that for its own', async () => {
  fake = await createFakeNode('standby');
  const { node } = fake;
  await receive(node, 1, 3);
  const looking = held();
  node.peer.status = async () => {
    await looking.over;
    throw new ColdspareError('peer-unreachable', 'no answer', 'none');
  };
  const command = { force: false, planned: false, dryRun: false, reason: '' };
  const own = await request(node, 'promote', command, { source: 'operator' });
  const backup = await receive(node, 2, 4);
  const offer = { operation: 'handover-of-vcl2', epoch: 2, backup };
  await expect(requestTakeOver(node, offer)).rejects.toMatchObject({ code: 'busy', value: own.id });
  expect(node.runner.get(offer.operation)).toBeUndefined();
  looking.letGo();
  await node.runner.wait(own.id, 10_000);
});
