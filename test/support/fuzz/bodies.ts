import type { Random } from '../../simulation/random.js';
import type { TOKENS } from '../tokens.js';

export type Client = keyof typeof TOKENS;

export const word = (random: Random): string => random.hex(random.integer(1, 20));

/** By route: fields that it knows, each with what it may not be. */
export const COMMANDS: [string, Client, Record<string, readonly string[]>][] = [
  ['/promote', 'admin', { force: ['1', '"yes"', '[]'], planned: ['0', '{}'], dryRun: ['"true"'] }],
  ['/demote', 'admin', { dryRun: ['1', 'null'], reason: ['7', '["x"]', `"${'x'.repeat(501)}"`] }],
  ['/pause', 'admin', { minutes: ['0', '-1', '10081', '1e308', '"10"', '[5]', 'true', '-0.0'] }],
  ['/backups', 'admin', { reason: ['7', '{}'], rescue: ['"../../x"', '7', '"short"', '""'] }],
  ['/drill', 'admin', { reason: ['7', '[]'], force: ['true'] }],
  ['/adopt', 'admin', { reason: ['""', '7'], force: ['"no"', '2'] }],
  ['/backups/:id/adopt', 'admin', { path: ['"etc/passwd"', '"../x"', '7', '["/"]', '""'] }],
  ['/fence', 'peer', { operation: ['"../../x"', '7', '""'], epoch: ['-1', '0', '1.5', '1e300'] }],
  ['/takeovers', 'peer', { backup: ['"../../x"', '"a/b"', '7'], epoch: ['"9"', '-9', '1e21'] }],
  ['/handovers', 'peer', { reason: ['7', '{}', `"${'x'.repeat(501)}"`] }],
  ['/backups/:id/commit', 'peer', { id: ['"x"'], bytes: ['-1', '0', '"9"'], epoch: ['1.5'] }],
];

/** Brackets in brackets. */
export const DEEP = 9_000;

export const notJson = (random: Random): string | Buffer =>
  random.pick<() => string | Buffer>([
    () => '{"force": tru',
    () => '{"force": true}}',
    () => "{'force': true}",
    () => '{"a":1,}',
    () => '\0\0\0\0',
    () => '   ',
    () => '{"reason": "\u0001"}',
    () => Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
    () => '['.repeat(DEEP),
    () => '{"a":'.repeat(DEEP),
    () => 'NaN',
    () => `${word(random)}x`,
    () => '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
  ])();

/** What no client may send as a command. */
const notAnObject = (random: Random): string =>
  random.pick([
    '[]',
    '[{}]',
    '7',
    '"promote"',
    'true',
    `${'['.repeat(DEEP)}${']'.repeat(DEEP)}`,
    `{"reason": ${'['.repeat(DEEP)}${']'.repeat(DEEP)}}`,
  ]);

/** The peer may send fields that nobody has heard of: it may be of a newer version. */
export const notACommand = (random: Random, client: Client): string =>
  client === 'peer' || random.chance(0.5)
    ? notAnObject(random)
    : random.pick([
        '{"__proto__": {"force": true, "isAdmin": true}}',
        '{"constructor": {"prototype": {"force": true}}}',
        '{"toString": 1}',
        '{"unheard": 1}',
        `{"${word(random)}": ${random.integer(0, 9)}}`,
        `{${Array.from({ length: 500 }, (_, number) => `"k${number}":1`).join(',')}}`,
      ]);
