import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Manifest } from '../../src/domain/manifest.js';
import type { NodeStatus } from '../../src/domain/status.js';
import { request } from '../../src/operations/commands.js';
import { createPushRetry } from '../../src/replication/dumps/push.js';
import { createFakeNode, type FakeNode, takesBackups } from '../support/fake-node.js';
import { nodeStatus } from '../support/node-status.js';

const FIRST = 10_000;

let primary: FakeNode;
let committed: string[];
let later: number;
beforeEach(async () => {
  primary = await createFakeNode('primary');
  committed = [];
  later = 0;
  const { peer, clock, runner } = primary.node;
  const { elapsed } = clock;
  clock.elapsed = () => elapsed() + later;
  takesBackups(peer);
  peer.commit = async ({ id }) => {
    committed.push(id);
  };
  const { id } = await request(primary.node, 'backup', { reason: '' }, { source: 'operator' });
  await runner.wait(id, 10_000);
  committed = [];
});
afterEach(() => primary.remove());

const newest = () => {
  const [backup] = primary.node.backups.list();
  if (backup === undefined) throw new Error('there is no backup');
  return backup;
};

/** As a node's status shows it. */
const shown = (backup: Manifest): NodeStatus['latestBackup'] => {
  const { id, epoch, sequence, takenAt, bytes } = backup;
  return { id, epoch, sequence, takenAt, bytes, currentAt: takenAt, ageSeconds: 0, proof: null };
};

const see = (change: Partial<NodeStatus>): void => {
  primary.node.peerView.last = { value: { ...nodeStatus('vcl3'), ...change }, at: 0 };
};

/** What the peer has got once a first round has seen what is missing, and so many ms have passed. */
const gotAfter = async (ms: number): Promise<string[]> => {
  const { runner } = primary.node;
  const round = createPushRetry(primary.node);
  await round();
  later += ms;
  await round();
  if (runner.current !== undefined) await runner.wait(runner.current.id, 10_000);
  return committed;
};

test('an agent was killed before its push came through: the next one sends the backup, and waits for no tick', async () => {
  see({ latestBackup: shown({ ...newest(), id: 'before', sequence: newest().sequence - 1 }) });
  expect(await gotAfter(FIRST)).toEqual([newest().id]);
});

test('a standby that was set up anew has none: it gets the newest', async () => {
  see({ latestBackup: null });
  expect(await gotAfter(FIRST / 2)).toEqual([]);
  expect(await gotAfter(FIRST)).toEqual([newest().id]);
});

test('a backup of a lineage that was given up is not sent: the standby would take it for foreign', async () => {
  await primary.node.state.update({ lineage: 'adopted-anew' });
  see({ latestBackup: null });
  expect(await gotAfter(FIRST)).toEqual([]);
});

test.each<[string, () => void]>([
  ['has it', () => see({ latestBackup: shown(newest()) })],
  ['is not a standby', () => see({ latestBackup: null, mode: 'yielding' })],
  [
    'does not answer',
    () => {
      primary.node.peerView.last = { value: { error: 'no answer' }, at: 0 };
    },
  ],
])('nothing is sent to a node that %s', async (_, look) => {
  look();
  expect(await gotAfter(FIRST)).toEqual([]);
});
