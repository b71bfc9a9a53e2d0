import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ColdspareError } from '../../src/domain/errors.js';
import type { Marker } from '../../src/domain/marker.js';
import { request } from '../../src/operations/commands.js';
import { freezePeerDatabase } from '../../src/operations/promote/peer-database.js';
import type { PeerStack } from '../../src/peer/peer-machine.js';
import { createFakeNode, type FakeNode, LINEAGE } from '../support/fake-node.js';
import { receive } from '../support/received.js';

let standby: FakeNode;
beforeEach(async () => {
  standby = await createFakeNode('standby', { settings: { rescueTimeout: 60_000 } });
  await receive(standby.node, 1, 3);
});
afterEach(() => {
  vi.restoreAllMocks();
  return standby.remove();
});

/** Makes the limit of 15 s for a stop pass at once. */
const expireStopLimit = () => {
  const timeout = AbortSignal.timeout.bind(AbortSignal);
  vi.spyOn(AbortSignal, 'timeout').mockImplementation((limit) =>
    timeout(limit === 15_000 ? 10 : limit),
  );
};

const failed = (message: string) => new ColdspareError('database-failed', message, 'none');

/** The old primary's database over SSH: it was served at epoch 5, of which this node has not heard. */
const oldPrimary = (parts: Partial<PeerStack['database']>): PeerStack => ({
  app: { stop: async () => {} },
  database: {
    start: async () => {},
    stop: async () => {},
    answers: async () => false,
    live: async () => ({
      exists: true,
      marker: { lineage: LINEAGE, epoch: 5, backup: null, served: true },
    }),
    mark: async () => {},
    freeze: async () => {},
    writes: async () => 0n,
    dump: async (sink) => {
      sink.destroy();
      throw failed('the disk is broken');
    },
    ...parts,
  },
});

test.each<[string, Partial<PeerStack['database']>]>([
  ['the last dump fails after the freeze', {}],
  [
    'the last dump fails, and the server never ends because its agent starts it again',
    {
      stop: (signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
        }),
    },
  ],
  [
    'the freeze itself fails while the app is being stopped',
    {
      answers: async () => true,
      freeze: async () => {
        throw failed('it takes no settings');
      },
    },
  ],
])(
  '%s: the takeover goes by a backup, above the epoch that the old primary served in',
  async (_what, parts) => {
    expireStopLimit();
    const { node } = standby;
    node.machine = { reach: async (_signal, use) => use(oldPrimary(parts)) };
    const command = { force: false, planned: false, dryRun: false, reason: '' };
    const { id } = await request(node, 'promote', command, { source: 'operator' });
    const record = await node.runner.wait(id, 10_000);
    expect(record?.state, record?.error?.message).toBe('done');
    expect(record?.result).toMatchObject({
      fenced: 'fenced-by-ssh',
      rescue: expect.stringContaining('the last dump failed'),
    });
    expect(node.state.current).toMatchObject({ mode: 'primary', epoch: 6 });
  },
);

test('a second takeover fences the database again: its agent still learns of the dump that the first one took', async () => {
  const { node } = standby;
  const marker: Marker = { lineage: LINEAGE, epoch: 3, backup: null, served: true };
  const fenced = {
    operation: 'promote-1',
    epoch: 4,
    backup: 'ledger_20261130_000000',
    sequence: 7,
  };
  let written: Marker | undefined;
  const { database } = oldPrimary({
    live: async () => ({ exists: true, marker: { ...marker, fenced } }),
    mark: async (next) => {
      written = next;
    },
  });
  await freezePeerDatabase(node, database, { operation: 'promote-2', epoch: 4 });
  expect(written?.fenced).toMatchObject({ operation: 'promote-2', backup: null });
  expect(written?.fenced?.sequence).toBeGreaterThanOrEqual(7);
});
