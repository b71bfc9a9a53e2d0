import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Failure } from '../../src/cli/failure.js';
import { formatEnd } from '../../src/cli/format.js';
import type { OperationRecord } from '../../src/domain/operation.js';
import { actsOn, spoken } from '../../src/domain/spoken.js';
import { headline } from '../../src/http/page/headline.js';
import { redact } from '../../src/http/page/redact.js';
import { renderSections } from '../../src/http/page/sections.js';
import { facts, NOW, primary, server } from '../support/page-facts.js';

const at = new Date(NOW - 60_000).toISOString();

/** A takeover that lost half an hour. */
const promote: OperationRecord = {
  id: '20261123_025900_promote_a',
  kind: 'promote',
  state: 'done',
  committed: true,
  reason: 'VCL2 is gone',
  source: 'operator',
  epoch: 2,
  startedAt: at,
  endedAt: at,
  steps: [],
  result: { epoch: 2, backup: 'ledger_x', loss: 'ledger_x is 30 min old: …', lostSeconds: 1_800 },
  error: null,
  command: {},
  attempt: 1,
};
const refused: OperationRecord = {
  ...promote,
  state: 'refused',
  committed: false,
  result: null,
  error: {
    code: 'primary-healthy',
    message: 'the primary answers',
    remedy:
      'nothing to do; for a planned switch POST /promote {"planned": true}, to take over regardless {"force": true}',
  },
};

describe('H76: what to do next is said in a language that the reader cannot use', () => {
  test('no remedy in the code speaks HTTP on a terminal or on the page, where there is a command or a button', () => {
    const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.startsWith('http/openapi'))
      .flatMap((file) => readFileSync(`src/${file}`, 'utf8').match(/(['"`]).*\1/g) ?? []);
    const calls = sources.filter((text) => /(POST|GET|DELETE) \/[a-z]/.test(text));
    expect(calls.length).toBeGreaterThan(40);
    for (const text of calls) {
      for (const surface of ['terminal', 'page'] as const)
        expect(spoken(text, surface)).not.toMatch(
          /(POST|DELETE) \/(promote|demote|drill|pause|notify|backups(?!\/))|GET \/(status|operations|backups(?!\/))/,
        );
    }
  });

  test.each([
    [
      'POST /promote {"force": true} on vcl3',
      'coldspare promote --force on vcl3',
      '"Promote" with force on vcl3',
    ],
    [
      'GET /operations/20261123_x follows it',
      'coldspare history 20261123_x follows it',
      'the history follows it',
    ],
    [
      'DELETE /pause, or POST /drill',
      'coldspare pause --end, or coldspare drill',
      '"Resume", or "Drill"',
    ],
    // There is neither a command nor a button.
    [
      'POST /backups/{id}/adopt {"path": "x"}',
      'POST /backups/{id}/adopt {"path": "x"}',
      'POST /backups/{id}/adopt {"path": "x"}',
    ],
  ])('%s', (http, terminal, page) => {
    expect(spoken(http, 'terminal')).toBe(terminal);
    expect(spoken(http, 'page')).toBe(page);
  });

  test('a refusal on the terminal names the command', () => {
    const said = formatEnd(refused).join('\n');
    expect(said).toContain('coldspare promote --planned, to take over regardless --force');
    const failure = new Failure(3, 'x', 'no', 'GET /status on both nodes shows who is primary');
    expect(failure.remedy).toBe('coldspare status on both nodes shows who is primary');
  });

  test('a refusal on the page names the button, also in what its scripts show', async () => {
    const [, problems] = await renderSections(facts({ self: server(), history: [refused] }));
    expect(problems?.html).toContain('&quot;Promote&quot; with &quot;Planned&quot;');
    expect(problems?.html).not.toContain('POST /');
    const again = actsOn('page').reduce(
      (text, [call, act]) => text.replace(new RegExp(call, 'g'), act),
      refused.error?.remedy ?? '',
    );
    expect(again).not.toContain('POST /');
  });
});

describe('H76: what was lost', () => {
  test('stands first on the terminal', () => {
    expect(formatEnd(promote)[1]).toBe(
      '  LOST: what was written in the last 30 min before the takeover',
    );
    const nothing = { ...promote, result: { lostSeconds: 0 } };
    expect(formatEnd(nothing)[1]).toBe('  NOTHING IS LOST');
  });

  test('is a figure in the first sentence of the page, also without a key', () => {
    const seen = facts({ self: primary(), peer: server(), history: [promote] });
    for (const shown of [seen, redact(seen)])
      expect(headline(shown).text).toMatch(/^Lost: what was written in the last 30 min/);
    const tomorrow = { ...seen, now: NOW + 2 * 86_400_000 };
    expect(headline(tomorrow).text).not.toContain('Lost');
  });
});
