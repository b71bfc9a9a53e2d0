import { describe, expect, test } from 'vitest';
import { formatStatus } from '../../src/cli/commands/status.js';
import { driftOf } from '../../src/domain/drift.js';
import {
  bytesBehind,
  createProgress,
  type Identity,
  isAhead,
  type Positions,
  replicaCurrentAt,
  wordOf,
} from '../../src/domain/replication.js';
import {
  endOfRecord,
  formatPlace,
  parsePlace,
} from '../../src/drivers/postgres/cluster/log-place.js';
import { withSettings } from '../../src/drivers/postgres/cluster/replica-settings.js';
import { nodeStatus } from '../support/node-status.js';

const IDENTITY: Identity = {
  system: '7',
  version: '15.10',
  platform: 'x86_64-pc-linux-gnu',
  collations: { libc: '2.36', ICU: '153.120' },
  parameters: { max_connections: 100, max_wal_senders: 10 },
  extensions: {},
  libraries: [],
  tablespaces: [],
  bytes: 1,
  login: 'a',
};

const checks = (
  own: Partial<Identity>,
  primary: Partial<Identity> = {},
  rest: { lacks?: string[]; others?: string[] } = {},
): string[] =>
  driftOf(
    { ...IDENTITY, ...primary },
    { identity: { ...IDENTITY, ...own }, lacks: [], others: [], ...rest },
  ).map(({ check }) => check);

describe('a standby that could not be a replica says why', () => {
  test('nothing, when both are alike', () => {
    expect(checks({})).toEqual([]);
  });

  test('s11: the C library differs, so indexes would be wrong without a word', () => {
    expect(checks({ collations: { libc: '2.41', ICU: '153.120' } })).toEqual(['collation']);
  });

  test('a provider that only one of them has is not compared', () => {
    expect(checks({ collations: { ICU: '153.120' } })).toEqual([]);
  });

  test('s12: it has fewer connections than the primary, so its recovery would stop', () => {
    const [drift] = driftOf(IDENTITY, {
      identity: { ...IDENTITY, parameters: { max_connections: 50, max_wal_senders: 10 } },
      lacks: [],
      others: [],
    });
    expect(drift).toMatchObject({
      check: 'max-connections',
      message: 'max_connections is 50 here and 100 on the primary',
    });
    expect(drift?.remedy).toContain('set max_connections = 100');
  });

  test('it may have more of everything', () => {
    expect(checks({ parameters: { max_connections: 500, max_wal_senders: 20 } })).toEqual([]);
  });

  test.each<[string, Partial<Identity>, Partial<Identity>]>([
    ['version', { version: '15.9' }, {}],
    ['platform', { platform: 'x86_64-pc-linux-musl' }, {}],
    ['libraries', {}, { libraries: ['pg_cron'] }],
    ['tablespaces', {}, { tablespaces: ['fast'] }],
    ['login', { login: 'b' }, {}],
  ])('%s', (check, own, primary) => {
    expect(checks(own, primary)).toEqual([check]);
  });

  test('files of an extension are missing, and it has databases of its own', () => {
    expect(checks({}, {}, { lacks: ['postgis 3.4'], others: ['wiki'] })).toEqual([
      'extensions',
      'other-databases',
    ]);
  });
});

describe('how far a replica is', () => {
  const positions: Positions = {
    system: '7',
    timeline: 1,
    isInRecovery: true,
    at: '1000',
    received: '1000',
    isIdle: true,
    replayedUntil: '2026-11-30T12:00:00.000Z',
    receiver: { streaming: true, heard: '1000', heardAt: '2026-11-30T12:01:07.000Z' },
    slot: null,
    switches: {},
  };

  const words = [{ at: '1000', saidAt: '2026-11-30T12:01:07.000Z' }];

  test.each<[string, Partial<Positions>, Partial<Positions>, boolean]>([
    ['it has what the primary has', {}, { at: '1000' }, false],
    ['it lags', {}, { at: '5000' }, false],
    ['it has replayed more than the primary has', {}, { at: '999' }, true],
    ['it has received more', { received: '1001' }, { at: '1000' }, true],
    ['the primary went another way before', {}, { timeline: 2, switches: { 1: '900' } }, true],
    ['the primary went on from later', {}, { timeline: 2, switches: { 1: '1000' } }, false],
    ['the primary knows nothing of its way', {}, { timeline: 3, switches: {} }, true],
  ])('h36: %s: is it ahead of a primary that has gone back in time?', (_, own, theirs, ahead) => {
    expect(
      isAhead({ ...positions, ...own }, { ...positions, isInRecovery: false, ...theirs }),
    ).toBe(ahead);
  });

  test('to hear nothing, or an earlier place again, is no progress', () => {
    const isProgress = createProgress();
    const heard = ['5', undefined, '5', null, '4', '6', undefined, '6'];
    expect(heard.map(isProgress)).toEqual([true, false, false, false, false, true, false, false]);
  });

  test('s04: with everything replayed it is as current as the last word of the primary', () => {
    expect(wordOf(positions)).toEqual(words[0]);
    expect(replicaCurrentAt(positions, words)).toBe('2026-11-30T12:01:07.000Z');
    expect(bytesBehind(positions, words)).toBe(0);
  });

  test('s04: behind, it is as current as its last transaction, not as the last word', () => {
    const behind = { ...positions, at: '400' };
    expect(replicaCurrentAt(behind, words)).toBe('2026-11-30T12:00:00.000Z');
    expect(bytesBehind(behind, words)).toBe(600);
  });

  test('s04: it has an earlier word, and not the last one', () => {
    const later = { at: '2000', saidAt: '2026-11-30T12:02:00.000Z' };
    expect(replicaCurrentAt(positions, [...words, later])).toBe('2026-11-30T12:01:07.000Z');
    expect(bytesBehind(positions, [...words, later])).toBe(1000);
  });

  test('without a word nobody knows how far the primary was', () => {
    const alone = { ...positions, receiver: null };
    expect(wordOf(alone)).toBeUndefined();
    expect(bytesBehind(alone, [])).toBeUndefined();
    expect(replicaCurrentAt(alone, [])).toBe('2026-11-30T12:00:00.000Z');
  });
});

describe('places in a log', () => {
  test('are read and written as PostgreSQL does', () => {
    expect(parsePlace('16/B374D848')).toBe(0x16_b374_d848n);
    expect(formatPlace(0x16_b374_d848n)).toBe('16/B374D848');
  });

  test('a record may reach over pages, which have headers, and ends aligned', () => {
    const layout = { page: 8192, segment: 16 * 1024 ** 2 };
    expect(endOfRecord(parsePlace('0/1516770'), 114, layout)).toBe(parsePlace('0/15167E8'));
    expect(endOfRecord(8192n * 3n - 8n, 16, layout)).toBe(8192n * 3n + 24n + 8n);
  });
});

describe('coldspare status of a standby that streams', () => {
  test('says how late the replica is, and what a takeover would use', () => {
    const now = Date.parse('2026-11-30T12:01:09.000Z');
    const lines = formatStatus(
      {
        ...nodeStatus('vcl3'),
        mode: 'standby',
        replication: {
          ...{ state: 'streaming', identity: null, positions: null, seenAt: null, broken: null },
          ...{ behindBytes: 18_000, currentAt: '2026-11-30T12:01:07.000Z' },
          ...{ line: 'replica', proven: '' },
        },
      },
      now,
    );
    expect(lines.join('\n')).toContain(
      'replica   streaming, current to 2 s ago, 18.0 kB behind; a takeover would use it',
    );
  });
});

describe('the settings of a replica', () => {
  test('take the place of earlier ones, and leave the others', () => {
    const before = "# written by ALTER SYSTEM\nwork_mem = '8MB'\nprimary_conninfo = 'host=old'\n";
    expect(withSettings(before, { primary_conninfo: "host=it's \\new" })).toBe(
      "# written by ALTER SYSTEM\nwork_mem = '8MB'\nprimary_conninfo = 'host=it''s \\\\new'\n",
    );
  });
});
