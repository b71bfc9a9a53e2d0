import { describe, expect, test } from 'vitest';
import { doubtId, doubtOf, roleAfterLoss, type Traces } from '../../src/domain/lost-role.js';

const served = (epoch: number) => ({ lineage: 'l', epoch, backup: null, served: true });
const restored = (epoch: number) => ({ ...served(epoch), served: false });
const peer = (mode: 'standby' | 'primary' | 'yielding', epoch: number) => ({
  ...{ node: 'vcl3', mode, epoch },
});
const at = (log: number, database = 'cluster/1') => ({ database, log: `${log}` });
const backup = (sequence: number, log?: number) => ({
  ...{ id: 'shop_20261122_193001', epoch: 1, sequence },
  ...(log !== undefined && { position: at(log) }),
});

const decide = (more: Partial<Traces>) =>
  roleAfterLoss({
    ...{ doubt: 'lost', parity: 'odd', epoch: 1, sequence: 0, marker: served(1) },
    ...{ position: at(100), peer: peer('standby', 1), newest: undefined },
    ...more,
  });

describe('the role of a node that does not remember it (H36)', () => {
  test.each<[string, Partial<Traces>, string, number]>([
    ['its database served, and the standby knows of no later epoch', {}, 'primary', 1],
    ['after a failback', { marker: served(3), peer: peer('standby', 3) }, 'primary', 3],
    [
      'the second node was the primary',
      { parity: 'even', epoch: 0, marker: served(2), peer: peer('standby', 2) },
      'primary',
      2,
    ],
    ['the peer has taken over', { peer: peer('primary', 2) }, 'standby', 2],
    [
      'its own takeover is later than what the peer knows',
      { marker: served(3), peer: peer('primary', 2) },
      'primary',
      3,
    ],
    [
      'the peer waits for the outcome of its takeover',
      { marker: served(3), peer: peer('yielding', 2) },
      'primary',
      3,
    ],
    ['the replica of the peer has more of its log', { isBehindReplica: true }, 'standby', 1],
    ['the peer has served since', { peer: peer('standby', 3) }, 'standby', 3],
    [
      'it was a standby with a restored backup',
      { parity: 'even', epoch: 0, marker: restored(1), peer: peer('primary', 1) },
      'standby',
      1,
    ],
    [
      'it was one, and nobody answers',
      { parity: 'even', epoch: 0, marker: restored(1), peer: undefined },
      'standby',
      0,
    ],
    [
      'it took over last, and nobody answers',
      { parity: 'even', epoch: 0, marker: served(2), peer: undefined },
      'unknown',
      0,
    ],
    ['nobody answers', { peer: undefined }, 'unknown', 1],
    ['both nodes have lost it', { peer: peer('yielding', 1) }, 'unknown', 1],
    ['it had not begun yet', { marker: undefined, peer: peer('standby', 0) }, 'primary', 1],
    ['its volume is gone as well', { marker: undefined, peer: peer('standby', 3) }, 'standby', 3],
    ['the database is at a backup of it', { newest: backup(9, 100) }, 'primary', 1],
    ['the database is older than a backup of it', { newest: backup(9, 101) }, 'standby', 1],
    [
      'the database is another one than was dumped',
      { newest: backup(9, 1), position: at(100, 'cluster/2') },
      'standby',
      1,
    ],
    ['an older agent took the backup, and the state is gone', { newest: backup(9) }, 'primary', 1],
    [
      'an older agent took the backup, and the state is an old one',
      { newest: backup(9), doubt: 'older' },
      'standby',
      1,
    ],
    [
      'every backup is remembered',
      { newest: backup(9), doubt: 'older', sequence: 9 },
      'primary',
      1,
    ],
  ])('%s: %o', (_what, traces, role, epoch) => {
    expect(decide(traces)).toMatchObject({ role, epoch });
  });

  test('a database that served is never given up without being kept', () => {
    expect(decide({ peer: peer('primary', 2) }).isDiverged).toBe(true);
    expect(decide({ marker: restored(1), peer: peer('primary', 2) }).isDiverged).toBe(false);
  });

  test('its doubt is read from what it yields to', () => {
    const operation = doubtId('older', '2026-11-22T19:30:00.000Z');
    expect(operation).toBe('state-older_20261122193000000');
    expect(doubtOf({ operation })).toBe('older');
    expect(doubtOf({ operation: '20261122_193000_promote_1' })).toBeUndefined();
    expect(doubtOf(null)).toBeUndefined();
  });
});
