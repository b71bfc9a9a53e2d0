import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { formatStatus } from '../../src/cli/commands/status.js';
import { EXIT } from '../../src/cli/failure.js';
import { formatEnd, formatOperation, formatUntil } from '../../src/cli/format.js';
import { createProgram } from '../../src/cli/program.js';
import { Progress } from '../../src/cli/progress.js';
import { Screen } from '../../src/cli/screen.js';
import { readSettings } from '../../src/cli/settings.js';
import type { OperationRecord, StepRecord } from '../../src/domain/operation.js';
import { nodeStatus } from '../support/node-status.js';

const NOW = Date.parse('2026-11-23T03:00:00.000Z');
const ago = (seconds: number) => new Date(NOW - seconds * 1_000).toISOString();

test('a pause says when it ends', () => {
  expect(formatUntil('2026-11-23T03:12:00.000Z', NOW)).toBe('until 03:12 UTC, for 12 min');
  expect(formatUntil(ago(60), NOW)).toBe('until 02:59 UTC, for 0 ms');
});

describe('the status of a node', () => {
  const well = {
    ...nodeStatus('vcl2', ago(15_000)),
    push: { lastSuccessAt: ago(240), failingSince: null, error: null },
    lastDrill: {
      ...{ at: ago(10_800), backup: 'shop_20261123_000000', passed: true, error: null },
      seconds: { start: 1, restore: 4, verify: 1, query: 0, total: 6 },
      takeOverSeconds: 31,
    },
  };

  test('that is well is a few lines', () => {
    expect(formatStatus(well, NOW)).toEqual([
      'vcl2 is primary and serves, epoch 4, for 4 h 10 min',
      '  app       answers with 200',
      '  backup    4 min old, 812 MB, proven by a restore 3 min ago (shop_20261123_025600)',
      '  drill     passed 3 h 0 min ago, a takeover would take 31 s',
      '  push      4 min ago',
      '  peer      standby, epoch 4 (http://10.0.0.3:8080)',
      '  problems  none',
    ]);
  });

  test('that is not says so where it counts', () => {
    const ill = {
      ...well,
      serving: false,
      latestBackup: null,
      lastDrill: { ...well.lastDrill, passed: false, error: 'no room', takeOverSeconds: null },
      push: { lastSuccessAt: null, failingSince: ago(7_200), error: 'disk full' },
      peer: { ...well.peer, reachable: false, error: 'it is silent' },
      pause: { until: '2026-11-23T03:12:00.000Z', reason: 'deploy' },
      problems: ['app-down', 'push-failing'],
    };
    expect(formatStatus(ill, NOW)).toEqual([
      'vcl2 is primary, epoch 4, for 4 h 10 min',
      '  app       answers with 200',
      '  backup    none',
      '  drill     FAILED 3 h 0 min ago: no room',
      '  push      failing for 2 h 0 min: disk full',
      '  peer      not reached at http://10.0.0.3:8080: it is silent',
      '  pause     until 03:12 UTC, for 12 min: deploy',
      '  problems  app-down, push-failing: coldspare doctor',
    ]);
  });
});

const step = (name: string, more: Partial<StepRecord> = {}): StepRecord => ({
  ...{ name, state: 'done', startedAt: ago(20), endedAt: ago(18.8), detail: null },
  ...more,
});

const promote: OperationRecord = {
  ...{ id: '20261123_025940_promote_1a2b3c4d', kind: 'promote', state: 'done', committed: true },
  ...{ reason: 'VCL2 is dead', source: 'operator', epoch: 4, command: {}, attempt: 1, error: null },
  ...{ startedAt: ago(20), endedAt: ago(8), steps: [] },
  result: {
    epoch: 6,
    backup: 'shop_20261123_025600',
    bytes: 812_000_000,
    loss: null,
    rejected: [],
    seconds: { restore: 4, total: 6 },
  },
};

describe('an operation', () => {
  test('that ended well says what came of it', () => {
    expect(formatEnd(promote)).toEqual([
      'promote done after 12 s',
      '  epoch          6',
      '  backup         shop_20261123_025600',
      '  bytes          812 MB',
      '  seconds        restore 4, total 6',
    ]);
    expect(formatOperation(promote)).toBe(
      '20261123_025940_promote_1a2b3c4d           done              12 s  VCL2 is dead',
    );
  });

  test('that did not says why, and what to do', () => {
    const error = { code: 'no-backup', message: 'there is none', remedy: 'adopt a dump' };
    expect(formatEnd({ ...promote, state: 'refused', committed: false, error })).toEqual([
      'promote refused after 12 s: there is none',
      'What to do: adopt a dump',
    ]);
  });

  test('is shown step by step, each once, and what was taken back again', () => {
    const written: string[] = [];
    const stream = { isTTY: false, write: (text: string) => written.push(text) };
    const progress = new Progress(new Screen(stream as unknown as NodeJS.WriteStream));
    const fence = step('fence', { detail: 'vcl2 stopped serving' });
    const restore = step('restore', { state: 'running', endedAt: null });
    progress.show({ ...promote, state: 'running', steps: [fence, restore] });
    progress.show({ ...promote, state: 'running', steps: [fence, restore] });
    const failed = step('restore', { state: 'failed', detail: 'disk full' });
    const undone = { ...fence, state: 'undone' as const };
    progress.show({ ...promote, state: 'rolled-back', steps: [undone, failed] });
    expect(written).toEqual([
      '  ✔ fence             1.2 s  vcl2 stopped serving\n',
      '  ↶ fence             1.2 s  vcl2 stopped serving\n',
      '  ✘ restore           1.2 s  disk full\n',
    ]);
  });
});

describe('which agent is asked', () => {
  const environment = {
    ADMIN_TOKEN: 'the-key',
    PORT: '9090',
    PEER_URL: 'http://10.0.0.3:8080',
  };

  test.each([
    ['the one of the .env', {}, {}, 'http://127.0.0.1:9090/'],
    ['at its own address', {}, { HOST: '10.0.0.2' }, 'http://10.0.0.2:9090/'],
    ['at an address of IPv6', {}, { HOST: '::' }, 'http://127.0.0.1:9090/'],
    ['the other one', { peer: true }, {}, 'http://10.0.0.3:8080/'],
    ['the one of COLDSPARE_URL', {}, { COLDSPARE_URL: 'http://a:1' }, 'http://a:1/'],
    [
      'the one that is named',
      { url: 'http://b:2' },
      { COLDSPARE_URL: 'http://a:1' },
      'http://b:2/',
    ],
    ['on its usual port', {}, { PORT: '' }, 'http://127.0.0.1:8080/'],
  ])('%s', (_which, options, more, url) => {
    expect(readSettings(options, { ...environment, ...more }).url.href).toBe(url);
  });

  test('a port that is none is named', () => {
    expect(() => readSettings({}, { ...environment, PORT: 'http' })).toThrow(
      'PORT: must be a port',
    );
  });
});

test('the README lists every command and every exit status', () => {
  const [, section = ''] =
    /^## The command line$([\s\S]*?)^## /m.exec(readFileSync('README.md', 'utf8')) ?? [];
  for (const { name } of createProgram(() => {}).commands.map((command) => ({
    name: command.name(),
  })))
    expect(section).toContain(`coldspare ${name}`);
  for (const status of Object.values(EXIT)) expect(section).toMatch(new RegExp(`\\b${status} `));
});
