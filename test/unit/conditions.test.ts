import { describe, expect, test } from 'vitest';
import type { Facts } from '../../src/domain/conditions/condition.js';
import {
  CONDITIONS,
  conditionOf,
  PROBLEM_CODES,
  pageRemedy,
  problemsOf,
  remedyFor,
  sentence,
} from '../../src/domain/conditions/conditions.js';
import { nodeStatus } from '../support/node-status.js';

const HOUR = 3_600_000;
const NOW = Date.parse('2026-11-23T03:00:00.000Z');

/** A node that is well, but for `more`. */
const facts = (name: string, more: Partial<Facts> = {}): Facts => ({
  ...nodeStatus(name),
  now: NOW,
  backupAge: 60_000,
  backupAheadBy: 0,
  unusable: null,
  confirmedAt: null,
  isStandingDown: false,
  lastPause: null,
  peerServes: name !== 'vcl2',
  peerProblems: [],
  hasPeerSsh: false,
  sshRemedy: undefined,
  fenced: undefined,
  isHealthProven: true,
  checkUnfit: undefined,
  witnessUnfit: undefined,
  lost: undefined,
  foreignApp: undefined,
  diskSpace: { free: 1, capacity: 1 },
  noRoom: null,
  dumpSilence: undefined,
  certificateError: null,
  certificateExpiresAt: undefined,
  channels: [],
  hookError: undefined,
  restarts: [],
  latest: {},
  failedChecks: 15_000,
  appRestartAfter: 60_000,
  ...more,
});
/** So many minutes ago. */
const restarts = (...minutes: number[]) =>
  minutes.map((ago) => ({ at: NOW - ago * 60_000, reason: 'the app has exited' }));
const refused = { message: 'it says no', remedy: 'do this' };

describe('the problems of a node', () => {
  test('there are none when nothing is wrong', () => {
    expect(problemsOf(facts('vcl2'))).toEqual([]);
    expect(problemsOf(facts('vcl3'))).toEqual([]);
  });

  test.each<[name: string, node: string, more: Partial<Facts>, problems: string[]]>([
    ['the app does not answer', 'vcl2', { serving: false }, ['app-down']],
    ['an app that had to be started again twice', 'vcl2', { restarts: restarts(0, 1) }, []],
    [
      'one that was started again three times',
      'vcl2',
      { restarts: restarts(0, 1, 59) },
      ['app-restarts'],
    ],
    ['one of which the first time is long ago', 'vcl2', { restarts: restarts(0, 1, 61) }, []],
    ['a standby, whatever it did before', 'vcl3', { restarts: restarts(0, 1, 2) }, []],
    ['a backup at the limit is not too old', 'vcl3', { backupAge: 2 * HOUR }, []],
    ['one above it is', 'vcl3', { backupAge: 2 * HOUR + 1 }, ['backup-stale']],
    [
      'a push that failed',
      'vcl2',
      { push: { lastSuccessAt: null, failingSince: '2026-11-23T02:00:00.000Z', error: 'no' } },
      ['push-failing'],
    ],
    [
      'the other server cannot restore',
      'vcl2',
      { peerProblems: ['backup-unusable'] },
      ['peer-cannot-restore'],
    ],
    [
      'a primary that says so of itself is nothing that its standby can tell',
      'vcl3',
      { peerProblems: ['backup-unusable'] },
      [],
    ],
    ['no room on the standby', 'vcl3', { noRoom: refused }, ['no-room']],
    ['what it had no room for as a standby is over', 'vcl2', { noRoom: refused }, []],
    [
      'a certificate in its last days',
      'vcl2',
      { certificateExpiresAt: NOW + 13 * 24 * HOUR },
      ['certificate-expiring'],
    ],
    [
      'an app that fails as it did on the other server',
      'vcl2',
      {
        serving: false,
        app: { answers: false, detail: 'answers 302', checkedAt: null },
        unserved: { detail: 'answers 302', takeovers: 1 },
      },
      ['app-down', 'fails-on-both'],
    ],
    [
      'one that fails in another way',
      'vcl2',
      {
        serving: false,
        app: { answers: false, detail: 'answers 500', checkedAt: null },
        unserved: { detail: 'answers 302', takeovers: 1 },
      },
      ['app-down'],
    ],
    [
      'one that does not start on either server',
      'vcl2',
      {
        serving: false,
        app: { answers: false, detail: 'refuses (ECONNREFUSED)', checkedAt: null },
        unserved: { detail: 'hangs', takeovers: 2 },
      },
      ['app-down', 'fails-on-both'],
    ],
    [
      'a lost primary that nobody takes over from',
      'vcl3',
      { lost: '3 checks failed' },
      ['primary-lost'],
    ],
    [
      'one that somebody is at work on',
      'vcl3',
      { lost: '3 checks failed', pause: { until: '2026-11-23T04:00:00.000Z', reason: '' } },
      [],
    ],
    ['a check that contradicts', 'vcl3', { checkUnfit: 'it answers 404' }, ['check-unfit']],
    ['a witness that is blind', 'vcl2', { witnessUnfit: 'it answers 403' }, ['witness-unfit']],
    ['files that cannot be used', 'vcl2', { certificateError: refused }, ['certificate-unusable']],
  ])('%s', (_name, node, more, problems) => {
    expect(problemsOf(facts(node, more))).toEqual(problems);
  });
});

describe('what a person is told', () => {
  test('the values come with the sentence, as far as the reader knows them', () => {
    const unusable = { backup: 'b2', error: 'torn' };
    const told = (known: Parameters<typeof sentence>[1]) =>
      sentence(CONDITIONS['backup-unusable'], known);
    expect(told(facts('vcl3', { unusable, prepared: 'b1' }))).toBe(
      'could not restore the newest backup: b2: torn; a takeover would go by b1',
    );
    expect(told(nodeStatus('vcl3'))).toBe('could not restore the newest backup');
  });

  test.each(PROBLEM_CODES)('%s: what to do is said in the words of each surface', (code) => {
    const known = nodeStatus('vcl3');
    const condition = CONDITIONS[code];
    expect(pageRemedy(condition)).not.toMatch(/coldspare |(GET|POST|DELETE) \//);
    expect(remedyFor(condition, 'terminal', known)).not.toMatch(/(GET|POST|DELETE) \//);
    expect(remedyFor(condition, 'http', known)).not.toMatch(/coldspare |press /);
  });

  test('a problem of a newer version sends the reader to the manual', () => {
    expect(pageRemedy(conditionOf('out-of-luck'))).toMatch('wrangler-free-readme.md');
  });

  test.each(Object.entries(CONDITIONS))('%s is a problem, an alarm or both', (_code, condition) => {
    expect(condition.isProblem ?? condition.alarm).toBeTruthy();
  });
});
