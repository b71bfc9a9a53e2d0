import { describe, expect, test } from 'vitest';
import { TRANSITIONS } from '../../src/domain/transitions.js';
import type { Contact, PageFacts } from '../../src/http/page/facts.js';
import { headline } from '../../src/http/page/headline.js';
import { facts, NOW, primary, server } from '../support/page-facts.js';

const silent: Contact = { state: 'silent', since: NOW - 185_000, error: 'ECONNREFUSED' };
const down = { serving: false, problems: ['app-down'] };
const doing = (kind: string, step: string) => ({ kind, steps: [{ name: step }] });

test.each<[name: string, more: Partial<PageFacts>, tone: string, said: string]>([
  [
    'all is well, seen from the standby',
    {},
    'good',
    'vcl2 serves. vcl3 stands by; newest backup 4 minutes old, proven by a restore.',
  ],
  [
    'all is well, seen from the primary',
    { self: primary(), peer: server() },
    'good',
    'vcl2 serves. vcl3 stands by; newest backup 4 minutes old, proven by a restore.',
  ],
  [
    'the newest backup cannot be restored',
    {
      self: server({
        problems: ['backup-unusable'],
        latestBackup: {
          id: 'x',
          ageSeconds: 8_000,
          bytes: 1,
          proof: { at: '2026-11-23T02:56:10.000Z', took: 1, error: 'torn' },
        },
      }),
    },
    'warn',
    'vcl2 serves. vcl3 stands by; newest backup 2 hours old, cannot be restored.',
  ],
  [
    'a new pair has no backup',
    { self: server({ latestBackup: null }) },
    'warn',
    'vcl2 serves. vcl3 stands by; it has no backup yet.',
  ],
  [
    'paused',
    { self: server({ pause: { until: new Date(NOW + 600_000).toISOString(), reason: 'deploy' } }) },
    'warn',
    'Paused for another 10 minutes: nothing fails over or back by itself.',
  ],
  [
    'the standby is lost',
    { self: primary(), peer: server(), contact: silent },
    'bad',
    'vcl2 serves. vcl3 last answered 3 minutes ago. Nobody could take over.',
  ],
  [
    'the standby was never there',
    { self: primary(), peer: undefined, contact: { ...silent, since: undefined } },
    'bad',
    'The other server has not answered since this agent started.',
  ],
  [
    'nobody was asked yet',
    { peer: undefined, contact: { state: 'not-asked' } },
    'bad',
    'The other server has not been asked yet. Whether it serves cannot be seen from here.',
  ],
  [
    'the app of the primary is down, seen from the standby',
    { peer: primary(down) },
    'bad',
    'Nobody serves. The app of vcl2 does not answer. Next: vcl3 takes over by itself within its checks',
  ],
  [
    'the app of the primary is down, seen from the primary',
    { self: primary(down), peer: server() },
    'bad',
    'Next: vcl3 takes over by itself within its checks; promote it to do so now.',
  ],
  [
    'the app of the primary is down, and the standby has no backup',
    { self: server({ latestBackup: null }), peer: primary(down) },
    'bad',
    'vcl3 has no backup to take over from',
  ],
  [
    'the app of the primary is down during a pause',
    {
      self: server({ pause: { until: new Date(NOW + 60_000).toISOString(), reason: '' } }),
      peer: primary(down),
    },
    'bad',
    'Next: resume, or promote vcl3.',
  ],
  [
    'the app of the primary is down and nothing watches',
    { self: server({ policy: { monitor: 'off' } }), peer: primary(down) },
    'bad',
    'Next: nothing by itself (MONITOR=off); promote vcl3.',
  ],
  [
    'the app is down and the standby is lost',
    { self: primary(down), peer: server(), contact: silent },
    'bad',
    'Nobody serves. The app of vcl2 does not answer. vcl3 last answered 3 minutes ago.',
  ],
  [
    'the primary is lost',
    { contact: silent },
    'bad',
    'vcl2 does not answer. vcl2 last answered 3 minutes ago. Whether it serves cannot be seen from here. Newest backup 4 minutes old, proven by a restore (on vcl3).',
  ],
  [
    'a takeover under way',
    { self: server({ operation: doing('promote', 'restore') }), contact: silent },
    'warn',
    'vcl3 is taking over: step restore. vcl2 last answered 3 minutes ago.',
  ],
  [
    'a handover under way, the app still at work',
    { peer: primary({ operation: doing('handover', 'check-peer') }) },
    'warn',
    'vcl2 is handing over: step check-peer. vcl2 serves meanwhile.',
  ],
  [
    'a fence under way',
    { self: primary({ serving: false, operation: doing('fence', 'stop-app') }), peer: server() },
    'warn',
    'vcl2 is stopping, because the other server takes over. Nobody serves until that is done.',
  ],
  [
    'yielding, seen from itself',
    {
      self: primary({ mode: 'yielding', serving: false, yielding: { cause: 'handover' } }),
      peer: server(),
      contact: silent,
    },
    'bad',
    'Nobody serves. vcl2 has stopped for a handover, and waits to hear from vcl3 whether it has taken over.',
  ],
  [
    'yielding, seen from the standby',
    { peer: primary({ mode: 'yielding', serving: false, yielding: { cause: 'fence' } }) },
    'bad',
    'Nobody serves. vcl2 has stopped for a takeover, and waits to hear from vcl3',
  ],
  [
    'in doubt about its own role (H36)',
    {
      self: primary({
        ...{ mode: 'yielding', serving: false },
        yielding: { cause: 'fence', isInDoubt: true },
      }),
      peer: server(),
      contact: silent,
    },
    'bad',
    'Nobody serves. vcl2 has lost its state, or an old one was put in its place. It waits to hear from vcl3 which role it has.',
  ],
  [
    'yielding while the other one serves',
    {
      self: primary({ mode: 'yielding', serving: false, problems: ['yielding'] }),
      peer: server({ mode: 'primary', epoch: 2, serving: true }),
    },
    'warn',
    'vcl3 serves. vcl2 has still to find out that it is superseded.',
  ],
  [
    'standing down',
    {
      self: server({ node: 'vcl2', problems: ['standing-down'] }),
      peer: primary({ node: 'vcl3', epoch: 2 }),
    },
    'warn',
    'vcl3 serves. vcl2 is standing down and sets its database aside.',
  ],
  [
    'two standbys',
    { peer: server({ node: 'vcl2' }) },
    'bad',
    'Nobody serves. Both servers stand by.',
  ],
  [
    'both serve',
    { self: server({ mode: 'primary', epoch: 2, serving: true }), peer: primary() },
    'bad',
    'Both servers serve. Only one may. vcl2 (epoch 1) stops by itself as soon as it hears of vcl3 (epoch 2).',
  ],
])('%s', (_name, more, tone, said) => {
  const found = headline(facts(more));
  expect(`${found.title} ${found.text}`).toContain(said);
  expect(found.tone).toBe(tone);
});

describe('whatever the modes', () => {
  const modes = [...new Set(TRANSITIONS.flatMap(({ from, to }) => [from, to]))];
  const contacts: Contact[] = [{ state: 'answers' }, silent, { state: 'not-asked' }];
  const cases = modes.flatMap((self) =>
    modes.flatMap((peer) => contacts.map((contact) => ({ self, peer, contact }))),
  );

  test.each(cases)('$self here, $peer there, $contact.state: something is said', (given) => {
    const { title, text, tone } = headline(
      facts({
        self: server({ mode: given.self }),
        peer: server({ node: 'vcl2', mode: given.peer }),
        contact: given.contact,
      }),
    );
    expect(`${title} ${text}`).toMatch(/^[\w ]+\. [A-Zv].*\.$/);
    expect(`${title} ${text}`).not.toMatch(/undefined|NaN|null/);
    // Nobody serves in any of them.
    expect(tone).not.toBe('good');
  });
});
