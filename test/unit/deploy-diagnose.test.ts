import { describe, expect, test } from 'vitest';
import { diagnose, type ExaminedServer } from '../../scripts/deploy-pair/diagnose.js';
import { Stop } from '../../scripts/deploy-pair/stop.js';
import type { NodeStatus } from '../../src/domain/status.js';
import { nodeStatus } from '../support/node-status.js';

/** A server on which nothing is wrong. */
const well = (name: string): ExaminedServer & { status: NodeStatus } => ({
  name,
  service: {
    active: 'active',
    sub: 'running',
    isEnabled: true,
    isRunning: true,
    deployment: '1.0.0-abc',
  },
  uid: 999,
  entries: {
    '/opt/coldspare/current/coldspare.env': { kind: 'file', mode: '600', uid: 0, text: '' },
  },
  disks: [{ path: '/var/lib/coldspare', freeBytes: 50e9, totalBytes: 100e9 }],
  clock: { ahead: 0, uncertainty: 100 },
  current: '1.0.0-abc',
  proven: '1.0.0-abc',
  previous: undefined,
  variables: { PEER_TOKEN: 't' },
  status: nodeStatus(name),
  backups: [],
  starters: [],
});

describe('what the doctor says', () => {
  test('nothing, when nothing is wrong', () => {
    expect(diagnose([well('vcl2'), well('vcl3')])).toEqual([]);
  });

  type Two = ReturnType<typeof well>;
  test.each<
    [fault: string, spoil: (vcl2: Two, vcl3: Two) => unknown, server: string, what: RegExp]
  >([
    [
      'a clock that is off',
      (_, vcl3) => Object.assign(vcl3.clock, { ahead: -41_000 }),
      'pair',
      /clocks differ by 41 s/,
    ],
    [
      'a disk that is nearly full',
      (_, vcl3) =>
        Object.assign(vcl3, { disks: [{ path: '/b', freeBytes: 5e9, totalBytes: 100e9 }] }),
      'vcl3',
      /disk of \/b has 5\.0 GB of 100 GB left/,
    ],
    [
      'a disk that has no room for the next backups',
      (vcl2) => {
        vcl2.status.latestBackup = { ...vcl2.status.latestBackup, bytes: 20e9 } as never;
      },
      'vcl2',
      /disk of/,
    ],
    [
      'a container that starts by itself (H08)',
      (vcl2) =>
        Object.assign(vcl2, {
          starters: [{ what: 'the container app has …', remedy: 'docker …' }],
        }),
      'vcl2',
      /the container app has/,
    ],
    [
      'an image that was never built on the standby (H90)',
      (_, vcl3) => {
        vcl3.status.app.cannotStart = 'the image shop_app is not here';
        vcl3.status.problems = ['app-unready'];
      },
      'vcl3',
      /could not start its app now: the image shop_app is not here/,
    ],
    [
      'a schedule that never came to a backup (H04)',
      (_, vcl3) => Object.assign(vcl3.status, { latestBackup: null, problems: ['backup-stale'] }),
      'vcl3',
      /it has no recent backup.*: there is none/,
    ],
    [
      'a backup that is too old',
      (vcl2) => {
        vcl2.status.problems = ['backup-stale'];
        vcl2.status.latestBackup = { ...vcl2.status.latestBackup, ageSeconds: 10_800 } as never;
      },
      'vcl2',
      /the newest, shop_\S+, is 3 h 0 min old, and BACKUP_MAX_AGE is 2 h 0 min/,
    ],
    [
      'backups that do not arrive',
      (vcl2) =>
        Object.assign(vcl2.status, {
          problems: ['push-failing'],
          push: { ...vcl2.status.push, error: 'disk full' },
        }),
      'vcl2',
      /do not reach the other server: disk full/,
    ],
    [
      'a way back that was never set up (H03)',
      (_, vcl3) => Object.assign(vcl3.status.peer, { reachable: false, error: 'no route' }),
      'vcl3',
      /cannot reach the other agent: no route \(http:\/\/10\.0\.0\.3:8080\)/,
    ],
    [
      'a way over SSH that does not work',
      (_, vcl3) => {
        vcl3.variables.PEER_SSH = 'x@y';
        vcl3.status.peer.ssh = { works: false, error: 'key refused', checkedAt: null };
      },
      'vcl3',
      /over SSH: key refused/,
    ],
    [
      'two primaries',
      (_, vcl3) => Object.assign(vcl3.status, { role: 'primary', epoch: 5 }),
      'pair',
      /both are primary: vcl2 epoch 4, vcl3 epoch 5/,
    ],
    [
      'no primary',
      (vcl2) => Object.assign(vcl2.status, { role: 'standby' }),
      'pair',
      /both are standby/,
    ],
    [
      'a primary of a past epoch',
      (_, vcl3) => Object.assign(vcl3.status, { epoch: 5 }),
      'pair',
      /primary's epoch is the lower one: vcl2 4, vcl3 5/,
    ],
    [
      'two databases (H16)',
      (_, vcl3) => Object.assign(vcl3.status, { lineage: 'l2' }),
      'pair',
      /different lineages: vcl2 l1, vcl3 l2/,
    ],
    [
      'a deploy that came to one server',
      (_, vcl3) => Object.assign(vcl3, { current: '2.0.0-def' }),
      'pair',
      /versions differ: vcl2 1\.0\.0-abc, vcl3 2\.0\.0-def/,
    ],
    [
      'an agent that was not restarted',
      (vcl2) => Object.assign(vcl2.service, { deployment: '0.9.0-old' }),
      'vcl2',
      /runs is of 0\.9\.0-old, installed is 1\.0\.0-abc/,
    ],
    [
      'whatever else it says of itself',
      (vcl2) => vcl2.status.problems.push('app-down'),
      'vcl2',
      /app-down/,
    ],
  ])('%s', (_fault, spoil, server, what) => {
    const [vcl2, vcl3] = [well('vcl2'), well('vcl3')];
    spoil(vcl2, vcl3);
    const found = diagnose([vcl2, vcl3]);
    expect(found).toContainEqual({
      ...found.find((finding) => what.test(finding.what)),
      server,
      what: expect.stringMatching(what),
      remedy: expect.stringMatching(/\w/),
    });
  });

  test('a server that lets nobody in does not hide what is wrong with the other', () => {
    const vcl3 = well('vcl3');
    vcl3.service.isEnabled = false;
    const found = diagnose([{ name: 'vcl2', stop: new Stop('vcl2: no route', 'look') }, vcl3]);
    expect(found).toEqual([
      { server: 'vcl2', what: 'no route', remedy: 'look' },
      expect.objectContaining({ server: 'vcl3', what: 'the agent does not start at boot' }),
    ]);
  });

  test('a machine where nothing is deployed yet', () => {
    const bare = { ...well('vcl3'), current: undefined, status: undefined };
    expect(diagnose([well('vcl2'), bare])[0]).toMatchObject({ what: 'nothing is deployed here' });
  });
});
