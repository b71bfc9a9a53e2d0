import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { OperationRecord, Source } from '../../src/domain/operation.js';
import type { NodeStatus } from '../../src/domain/status.js';
import { request } from '../../src/operations/commands.js';
import { probePeer } from '../../src/peer/probe-peer.js';
import { nodeStatus } from '../../src/status/node-status.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';
import { receive } from '../support/received.js';

describe('the old primary cannot be reached, and answers again while its backup is restored', () => {
  let fake: FakeNode;
  let asked: string[];
  beforeEach(async () => {
    fake = await createFakeNode('standby');
    asked = [];
    await receive(fake.node, 1, 3);
  });
  afterEach(() => fake.remove());

  /** From the restore on VCL2 answers, and this is what it says. */
  const comesBack = (says: Partial<NodeStatus>) => {
    const { node, database } = fake;
    const restore = database.restore.bind(database);
    database.restore = async (content, manifest) => {
      await restore(content, manifest);
      const idle = { ...nodeStatus(node), operation: null };
      node.peer.status = async () => ({ ...idle, node: 'vcl2', ...says });
    };
  };
  const promote = async (
    force = false,
    source: Source = 'operator',
  ): Promise<OperationRecord | undefined> => {
    const command = { force, planned: false, dryRun: false, reason: '' };
    const { id } = await request(fake.node, 'promote', command, { source });
    return fake.node.runner.wait(id, 10_000);
  };
  const stepsOf = (record: OperationRecord | undefined) => record?.steps.map(({ name }) => name);

  test('it serves: nothing is taken over, and it goes on', async () => {
    comesBack({ mode: 'primary', serving: true });
    const record = await promote();
    expect(record).toMatchObject({ state: 'refused', error: { code: 'primary-healthy' } });
    expect(stepsOf(record)?.slice(-2)).toEqual(['fence-again', 'confirm']);
    expect(fake.node.state.current).toMatchObject({ mode: 'standby', epoch: 0 });
  });

  test('its app is down: it is fenced after all, and its last writes are here', async () => {
    const { node, database } = fake;
    comesBack({ mode: 'primary', serving: false });
    node.peer.fence = async () => {
      asked.push('fence');
      return { mode: 'yielding', detail: 'stopped' };
    };
    node.peer.rescue = async (operation) => {
      asked.push(`rescue for ${operation}`);
      const backup = await receive(node, 2, 4);
      const ended = { ...(node.runner.current as OperationRecord), state: 'done' as const };
      node.peer.operation = async () => ({ ...ended, result: { backup } });
      return ended;
    };
    const record = await promote();
    expect(record).toMatchObject({
      state: 'done',
      result: { fenced: 'fenced', loss: expect.stringContaining('nothing is lost') },
    });
    expect(asked).toEqual(['fence', `rescue for ${record?.id}`]);
    expect((await database.inventory()).rows).toEqual({ 'public.entries': 4 });
  });

  test('the monitor has seen it silent just now: what it says since is what counts', async () => {
    await probePeer(fake.node);
    comesBack({ mode: 'primary', serving: true });
    const record = await promote(false, 'monitor');
    expect(record).toMatchObject({ state: 'refused', error: { code: 'primary-healthy' } });
    expect(stepsOf(record)?.slice(-2)).toEqual(['fence-again', 'confirm']);
  });

  test('the restore took a while: it has as long to answer, and is not taken for lost before', async () => {
    const { node } = fake;
    comesBack({ mode: 'primary', serving: true });
    const { restore } = fake.database;
    fake.database.restore = async (content, manifest) => {
      await restore(content, manifest);
      const { status } = node.peer;
      const { elapsed } = node.clock;
      node.clock.elapsed = () => elapsed() + 60_000;
      node.peer.status = async () => {
        await new Promise((resolve) => setTimeout(resolve, 1_500));
        return status();
      };
    };
    expect(await promote()).toMatchObject({ error: { code: 'primary-healthy' } });
  });

  test('it answers, but cannot be fenced again and again: the takeover ends, without a commit', async () => {
    comesBack({ mode: 'primary', serving: false });
    const record = await promote(true);
    expect(record).toMatchObject({ state: 'rolled-back', error: { code: 'peer-is-back' } });
    expect(stepsOf(record)?.filter((name) => name === 'fence-again')).toHaveLength(2);
    expect(fake.node.state.current).toMatchObject({ mode: 'standby', epoch: 0 });
  });

  test('it stays away: the takeover goes on', async () => {
    const record = await promote();
    expect(record).toMatchObject({ state: 'done', result: { fenced: 'unreachable' } });
    expect(record?.steps.find(({ name }) => name === 'fence-again')?.detail).toBe(
      'it still cannot be reached',
    );
  });
});
