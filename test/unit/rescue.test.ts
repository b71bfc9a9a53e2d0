import { afterEach, beforeEach, expect, test } from 'vitest';
import { ColdspareError } from '../../src/domain/errors.js';
import type { OperationRecord } from '../../src/domain/operation.js';
import { request } from '../../src/operations/commands.js';
import { nodeStatus } from '../../src/status/node-status.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';
import { receive } from '../support/received.js';

let standby: FakeNode;
/** What comes of each question about the last dump, in turn; the last one goes on. */
let answers: ('lost' | 'running' | 'done')[];
let asked: number;
beforeEach(async () => {
  standby = await createFakeNode('standby', { settings: { failThreshold: 3, checkInterval: 100 } });
  const { node } = standby;
  await receive(node, 1, 3);
  node.peer.status = async () => ({ ...nodeStatus(node), mode: 'primary', operation: null });
  node.peer.fence = async () => ({ mode: 'yielding', detail: 'stopped' });
  asked = 0;
  node.peer.rescue = async () => {
    asked += 1;
    return record('running');
  };
  node.peer.operation = async () => {
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer === 'lost') throw lost();
    if (answer === 'running') return record('running');
    const backup = await receive(node, 2, 4);
    return { ...record('done'), result: { backup } };
  };
});
afterEach(() => standby.remove());

const lost = () => new ColdspareError('peer-unreachable', 'it broke off (ECONNRESET)', 'none');

const record = (state: 'running' | 'done'): OperationRecord => ({
  ...(standby.node.runner.current as OperationRecord),
  id: 'last-dump',
  kind: 'backup',
  state,
});

const promote = async (): Promise<OperationRecord['result'] | undefined> => {
  const command = { force: false, planned: false, dryRun: false, reason: '' };
  const { id } = await request(standby.node, 'promote', command, { source: 'operator' });
  const ended = await standby.node.runner.wait(id, 10_000);
  expect(ended?.state).toBe('done');
  return ended?.result;
};

test('a question about the last dump gets lost: it is waited for all the same, and nothing is lost', async () => {
  answers = ['running', 'lost', 'running', 'lost', 'done'];
  expect(await promote()).toMatchObject({ loss: expect.stringContaining('nothing is lost') });
  expect(asked).toBe(1);
});

test('the answer gets lost that it has begun: it is asked for again', async () => {
  answers = ['done'];
  const { rescue } = standby.node.peer;
  standby.node.peer.rescue = async (operation) => {
    const begun = await rescue(operation);
    if (asked === 1) throw lost();
    return begun;
  };
  expect(await promote()).toMatchObject({ loss: expect.stringContaining('nothing is lost') });
  expect(asked).toBe(2);
});

test('its machine is gone in the middle of it: it is waited for as long as any lost primary', async () => {
  answers = ['running', 'lost'];
  const began = performance.now();
  expect(await promote()).toMatchObject({
    rescue: expect.stringContaining('ECONNRESET'),
    loss: expect.stringContaining('is lost'),
  });
  expect(performance.now() - began).toBeGreaterThan(300);
});
