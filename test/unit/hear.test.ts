import { afterEach, describe, expect, test } from 'vitest';
import { noteEpoch } from '../../src/operations/note-epoch.js';
import { createFakeNode, type FakeNode } from '../support/fake-node.js';

let fake: FakeNode;

afterEach(() => fake.remove());

describe('two messages of the same new epoch at once', () => {
  test('a standby takes in the epoch and refuses neither message', async () => {
    fake = await createFakeNode('standby');
    await Promise.all([noteEpoch(fake.node, 1), noteEpoch(fake.node, 1)]);
    expect(fake.node.state.current).toMatchObject({ mode: 'standby', epoch: 1 });
  });

  test('a primary is superseded once and refuses neither message', async () => {
    fake = await createFakeNode('primary');
    await Promise.all([noteEpoch(fake.node, 2), noteEpoch(fake.node, 2)]);
    expect(fake.node.state.current).toMatchObject({ mode: 'standby', epoch: 2 });
  });
});
