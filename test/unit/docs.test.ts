import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CONDITIONS, PROBLEM_CODES, remedyFor } from '../../src/domain/conditions/conditions.js';
import { DECISIONS } from '../../src/domain/takeover-verdict.js';
import { PROVIDERS } from '../../src/http/webhooks/providers.js';
import { rowsOf } from '../support/markdown.js';
import { nodeStatus } from '../support/node-status.js';

const manual = readFileSync('wrangler-free-readme.md', 'utf8');

describe('the manual', () => {
  test('shows the table of decisions as it is', () => {
    const cell = (values: readonly string[] | undefined) => values?.join(', ') ?? 'any';
    expect(rowsOf(manual, 'its agent')).toEqual(
      DECISIONS.map(({ when, refuse, reason }) => [
        cell(when.agent),
        cell(when.app),
        cell(when.witness),
        cell(when.asker),
        refuse === undefined ? 'taken over' : `refused: ${refuse}`,
        reason,
      ]),
    );
  });

  test('says what to do about every problem that /health can name', () => {
    expect(
      rowsOf(manual, 'problem')
        .map(([problem]) => problem)
        .sort(),
    ).toEqual(PROBLEM_CODES.map((code) => `\`${code}\``).sort());
  });

  test.each(PROBLEM_CODES)('calls for the same as an alarm that says %s', (code) => {
    const [, , todo] = rowsOf(manual, 'problem').find(([name]) => name === `\`${code}\``) ?? [];
    const remedy = remedyFor(CONDITIONS[code], 'http', nodeStatus('vcl2'));
    for (const call of remedy.match(/POST \/\w+/g) ?? []) expect(todo).toContain(call);
  });

  test('says who announces what, and when', () => {
    const alarms = Object.entries(CONDITIONS).flatMap(([code, { alarm }]) =>
      alarm === undefined ? [] : [alarm.event ?? code],
    );
    const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => readFileSync(`src/${file}`, 'utf8'));
    const announced = [...sources.join().matchAll(/announce\(\{\s*event: '([a-z-]+)',/g)];
    const events = [...alarms, ...announced.map(([, event]) => event)];
    const listed = rowsOf(manual, 'event').flatMap(([event = '']) =>
      event.split(', ').map((name) => name.replaceAll('`', '')),
    );
    expect(listed.sort()).toEqual([...new Set(events)].sort());
  });

  test('says what to enter in every uptime checker', () => {
    const listed = rowsOf(manual, 'checker').map(([name = '']) => name.replaceAll('`', ''));
    expect(listed.sort()).toEqual(PROVIDERS.map(({ name }) => name).sort());
  });

  test.each([
    [
      'healthchecks',
      /^\{"code": .*\}$/m,
      { $CODE: '6f1b1a3e-2f6c-4b7e-9d52-0d9a4e0c7b11', $NAME_JSON: '"shop"', $STATUS: 'down' },
    ],
    [
      'gatus',
      /(?<=body: ')\{"alert": .*\}(?='$)/m,
      {
        '[ALERT_TRIGGERED_OR_RESOLVED]': 'TRIGGERED',
        '[ENDPOINT_NAME]': 'shop',
        '[ENDPOINT_GROUP]': '',
        '[ENDPOINT_URL]': 'http://vcl2:3000/coffees',
      },
    ],
    ['generic', /^\{"event": .*\}$/m, {}],
  ])('has a body for %s that says down once it is filled in', (name, shape, placeholders) => {
    const [template = ''] = shape.exec(manual) ?? [];
    const filled = Object.entries(placeholders).reduce(
      (text, [placeholder, value]) => text.replace(placeholder, value),
      template,
    );
    const provider = PROVIDERS.find((candidate) => candidate.name === name);
    expect(provider?.read(JSON.parse(filled))?.event).toBe('down');
  });

  test('lists every alert of the example rules', () => {
    const rules = readFileSync('scripts/monitoring/alerts.yml', 'utf8');
    const listed = rowsOf(manual, 'alert').flatMap(([names = '']) => names.match(/\w+/g) ?? []);
    const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
    expect(listed.sort()).toEqual(alerts.sort());
  });

  test('lists every hazard with its test', () => {
    const listed = rowsOf(manual, 'hazard').map(([, file = '']) => file.replaceAll('`', ''));
    const tests = readdirSync('test/incidents').filter((name) => name.endsWith('.test.ts'));
    expect(listed.sort()).toEqual(tests.sort());
  });
});
