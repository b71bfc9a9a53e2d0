import { ROUTES } from '../../../src/http/app.js';
import type { Route } from '../../../src/http/route.js';
import type { Random } from '../../simulation/random.js';
import { TOKENS } from '../tokens.js';
import { type Client, COMMANDS, DEEP, notACommand, notJson, word } from './bodies.js';

/** Where it is sent, and what of the pair it may name. */
interface Target {
  role: 'primary' | 'standby';
  /** A committed backup that both have. */
  backup: string;
}

/** A request that HTTP can read and the agent has to refuse. */
export interface Malformed {
  /** Why it must be refused, for who reads a failure. */
  because: string;
  text: Buffer;
}

interface Draft {
  because: string;
  method: string;
  path: string;
  key?: string | undefined;
  headers?: string[];
  body?: string | Buffer;
}

type Maker = (random: Random, target: Target) => Draft;

/** The `number`th kind of wrong, cut from the given randomness. */
export const makeMalformed = (random: Random, target: Target): Malformed => {
  const { because, method, path, key, headers = [], body } = random.pick(MAKERS)(random, target);
  const lines = [
    `${method} ${path} HTTP/1.1`,
    `Host: ${random.pick(['vcl2', '127.0.0.1:8080', 'a.b.c', 'x'.repeat(200)])}`,
    ...(key === undefined ? [] : [`Authorization: ${key}`]),
    ...headers,
    ...(random.chance(0.3) ? noise(random) : []),
    ...(body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]),
  ];
  const head = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  return { because, text: Buffer.concat([head, Buffer.from(body ?? '')]) };
};

const bearer = (client: Client): string => `Bearer ${TOKENS[client]}`;

const locked = ROUTES.filter(({ clients }) => clients.length > 0) as [Route, ...Route[]];
const withId = ROUTES.filter(({ path }) => path.includes('/:id')) as [Route, ...Route[]];
const ofPeer = ROUTES.filter(({ clients }) => clients.includes('peer')) as [Route, ...Route[]];
const refusingStale = ROUTES.filter(({ refusesStaleEpoch }) => refusesStaleEpoch) as [
  Route,
  ...Route[],
];

const fill = (path: string, { backup }: Target): string =>
  path.replace(':id', backup).replace(':provider', 'generic');

const clientOf = (random: Random, { clients }: Route): Client =>
  random.pick(clients as unknown as [Client, ...Client[]]);

/** Never what is right, and never nothing. */
const junk = (random: Random): string =>
  random.pick([
    word(random),
    '../../../etc/passwd',
    '..\\..\\state.json',
    "' OR 1=1 --",
    '$(reboot)',
    '{{7*7}}',
    '\u202e☃',
    'x'.repeat(random.integer(200, 3_000)),
  ]);

const wrongKey: Maker = (random, target) => {
  const route = random.pick(locked);
  const right = TOKENS[clientOf(random, route)];
  const key = random.pick([
    undefined,
    'Bearer ',
    `Bearer ${word(random)}`,
    `Bearer ${right.slice(0, -1)}`,
    `Bearer ${right}${word(random)}`,
    `Bearer ${right.toUpperCase()}`,
    `Bearer ${right} ${right}`,
    `Basic ${Buffer.from(`admin:${right}`).toString('base64')}`,
    `Digest username="${right}"`,
    right,
    `Bearer ${'A'.repeat(random.integer(100, 4_000))}`,
  ]);
  const query = random.chance(0.2) ? `?token=${word(random)}` : '';
  return {
    ...{ because: 'the key is wrong', method: route.method, key },
    path: fill(route.path, target) + query,
  };
};

const otherClient: Maker = (random, target) => {
  const route = random.pick(locked);
  const others = (Object.keys(TOKENS) as Client[]).filter(
    (client) => !route.clients.includes(client),
  );
  const [client] = others;
  if (client === undefined) return wrongKey(random, target);
  const because = `the ${client} key is for other routes`;
  return { because, method: route.method, path: fill(route.path, target), key: bearer(client) };
};

const METHODS = ['PATCH', 'OPTIONS', 'TRACE', 'PROPFIND', 'LOCK', 'PURGE', 'MKCOL', 'REPORT'];

const wrongMethod: Maker = (random, target) => {
  const { path } = random.pick(ROUTES as [Route, ...Route[]]);
  const right = ROUTES.filter((route) => route.path === path).flatMap(
    ({ method, answersOptions }) => (answersOptions ? [method, 'OPTIONS'] : [method]),
  );
  const wrong = [...METHODS, 'GET', 'PUT', 'POST', 'DELETE'].filter(
    (method) => !(right as string[]).includes(method),
  );
  const method = random.pick(wrong as [string, ...string[]]);
  return {
    ...{ because: `${method} is not possible there`, method, path: fill(path, target) },
    key: random.pick([undefined, bearer('admin'), bearer('peer')]),
  };
};

/** What a URL parser makes of them never ends in a route: each ends in something that is none. */
const PLACES: [string, ...string[]] = [
  '/../../../../etc/passwd',
  '/backups/../../../var/lib/nothing',
  '/%2e%2e/%2e%2e/etc/shadow',
  '/backups/..%2f..%2fstate.json/nothing',
  '/operations/%00/nothing',
  '/%zz/%',
  '//promote//nothing',
  '/promote/nothing',
  '/status.json',
  '/.env',
  '/.git/config',
  '/admin.php?promote=1',
  '/promote;force=true/x',
  '/PROMOTE',
  '/promote%20',
  '/promote%2f',
  '/__proto__',
  '/constructor/prototype',
  '/backups%00',
  '/page/..%2f..%2fpackage.json',
  '/page/%2fetc%2fpasswd',
  '/page/__proto__',
];

const nowhere: Maker = (random) => ({
  because: 'there is no such route',
  method: random.pick(['GET', 'POST', 'PUT', 'DELETE']),
  path: random.chance(0.5)
    ? random.pick(PLACES)
    : `/none-${word(random)}/${encodeURIComponent(junk(random))}`,
  key: random.pick([undefined, bearer('admin'), bearer('peer'), bearer('webhook')]),
});

/** No id of a backup and none of an operation. */
const badId = (random: Random): string =>
  random.pick([
    '..%2f..%2fstate.json',
    '%2fetc%2fpasswd',
    'ledger_20261122_120000%00.dump',
    'ledger_20261122_120000%2f..',
    '%C0%AE%C0%AE',
    '%zz%zz%zz%zz',
    '-rf%20%2f',
    '.'.repeat(random.integer(3, 60)),
    'a'.repeat(random.integer(121, 4_000)),
    `${word(random)}!`,
    encodeURIComponent(`${junk(random)}'`),
    '__proto__.x',
  ]);

const wrongId: Maker = (random) => {
  const route = random.pick(withId);
  return {
    ...{ because: 'the id is none', method: route.method },
    path: route.path.replace(':id', badId(random)),
    key: bearer(clientOf(random, route)),
    ...(route.method !== 'GET' && route.method !== 'DELETE' && json('{}')),
  };
};

const unknownId: Maker = (random) => ({
  because: 'nothing has that id',
  method: 'GET',
  path: random.pick([
    `/backups/${random.hex(8)}_20010101_000000`,
    `/backups/${random.hex(8)}_20010101_000000/content`,
    `/operations/${random.hex(30)}`,
    `/operations/${random.hex(30)}/events`,
  ]),
  key: bearer(random.pick(['admin', 'peer'])),
});

/** What `Coldspare-Epoch` may not say. A higher epoch that can be read supersedes the node, as it should. */
const badEpoch = (random: Random): string =>
  random.pick([
    '-1',
    '1.5',
    '1e3',
    '0x7',
    '+7',
    '7,8',
    '1 2',
    'NaN',
    'Infinity',
    'null',
    '9'.repeat(random.integer(16, 400)),
    `${random.integer(0, 99)}${random.pick(['x', ';', '_', 'n'])}`,
  ]);

const wrongEpoch: Maker = (random, target) => {
  const route = random.pick(ofPeer);
  return {
    ...{ because: 'the epoch is no number', method: route.method },
    path: fill(route.path, target),
    key: bearer('peer'),
    headers: [`Coldspare-Epoch: ${badEpoch(random)}`],
  };
};

const staleEpoch: Maker = (random, target) => {
  const route = random.pick(refusingStale);
  const body = JSON.stringify({
    operation: `fuzz-${random.hex(12)}`,
    epoch: 99,
    backup: target.backup,
  });
  return {
    ...{ because: 'the sender’s epoch is over', method: route.method },
    path: fill(route.path, target),
    key: bearer('peer'),
    ...json(body),
    headers: ['Coldspare-Epoch: 0', 'Content-Type: application/json'],
  };
};

const json = (body: string | Buffer) => ({ body, headers: ['Content-Type: application/json'] });

const wrongBody: Maker = (random, target) => {
  const [path, client, fields] = random.pick(COMMANDS as [(typeof COMMANDS)[0]]);
  const [name, values] = random.pick(Object.entries(fields) as [[string, readonly string[]]]);
  const { because, ...body } = random.pick([
    { because: 'its body is no JSON', ...json(notJson(random)) },
    { because: 'its body is no command', ...json(notACommand(random, client)) },
    {
      because: `${name} may not be that`,
      ...json(`{"${name}": ${random.pick(values as [string, ...string[]])}}`),
    },
    {
      because: 'its body is not declared as JSON',
      body: '{"reason": "x"}',
      headers: [
        `Content-Type: ${random.pick(['text/plain', 'application/xml', 'json', '/', ','])}`,
      ],
    },
  ]);
  return { because, method: 'POST', path: fill(path, target), key: bearer(client), ...body };
};

const wrongMessage: Maker = (random) => {
  const provider = random.pick([
    ...(['generic', 'uptime-kuma', 'uptimerobot', 'better-stack', 'healthchecks'] as const),
    ...(['grafana', 'alertmanager', 'pingdom', 'gatus'] as const),
  ]);
  const path = random.pick(['/promote', `/webhooks/${provider}`, `/webhooks/${word(random)}-x`]);
  const body = random.pick<() => string | Buffer>([
    () => notJson(random),
    () => random.pick(['[]', '7', 'true', '"down"', '{"force": true}', '{"dryRun": true}']),
    () => `{"event": ${random.pick(['"explode"', '7', '[]', '{}'])}}`,
    () => '{"__proto__": {"event": "down"}}',
    () => '['.repeat(DEEP) + ']'.repeat(DEEP),
  ])();
  const because = 'no checker sends that';
  return { because, method: 'POST', path, key: bearer('webhook'), ...json(body) };
};

const wrongHeader: Maker = (random) => {
  const key = random.pick(['', 'a b', 'x'.repeat(256), 'x'.repeat(4_000), 'caf\xe9']);
  return {
    ...{ because: 'the Idempotency-Key is none', method: 'POST', key: bearer('admin') },
    path: random.pick(['/backups', '/promote', '/demote']),
    headers: [`Idempotency-Key: ${key}`],
  };
};

const wrongQuery: Maker = (random) => ({
  ...{ because: 'the limit is none', method: 'GET', key: bearer(random.pick(['admin', 'peer'])) },
  path: `/operations?limit=${random.pick(['0', '-1', '201', '1e9', '1.5', 'abc', '%00', '[]', 'NaN'])}`,
});

const wrongUpload: Maker = (random, target) => {
  const id = `fuzz-${random.hex(6)}_20010101_000000`;
  const known = random.chance(0.2);
  const range = random.pick(['bytes 9-1/2', 'bytes 5-9/10', 'items 0-1/2', 'bytes -1-1/2', '0']);
  return {
    because: known ? 'that backup is there' : 'the range is not that of the body',
    ...{ method: 'PUT', path: `/backups/${known ? target.backup : id}`, key: bearer('peer') },
    headers: [
      'Coldspare-Epoch: 1',
      ...(known && random.chance(0.8) ? [] : [`Content-Range: ${range}`]),
    ],
    body: random.hex(random.integer(1, 400)),
  };
};

/** A manifest that is right in itself, of an upload that never was. */
const orphanCommit: Maker = (random, { role }) => {
  const id = `fuzz-${random.hex(6)}_20010101_000000`;
  const manifest = {
    ...{ id, database: 'ledger', node: 'vcl2', takenAt: '2001-01-01T00:00:00.000Z' },
    ...{ epoch: 1, sequence: random.integer(0, 99), lineage: 'LINEAGE', format: 'custom' },
    ...{ bytes: 7, sha256: random.hex(64), serverVersion: '15.8' },
  };
  // On a standby, another lineage would be kept apart, which is something that happens.
  const epoch = role === 'standby' ? 0.5 : 1;
  return {
    ...{ because: 'nothing was uploaded under that id', method: 'POST', key: bearer('peer') },
    path: `/backups/${id}/commit`,
    ...json(JSON.stringify({ ...manifest, epoch })),
  };
};

/** What changes nothing about any request. */
const noise = (random: Random): string[] =>
  random.pick([
    [`X-Forwarded-For: 10.0.0.${random.integer(0, 255)}`, 'X-Real-IP: ::1', 'Forwarded: for=x'],
    [`Cookie: ${'a=b; '.repeat(random.integer(1, 300))}`],
    Array.from({ length: random.integer(1, 60) }, () => `X-${word(random)}: ${word(random)}`),
    ['Prefer: wait=99999999999', 'Prefer: wait=-1', 'Range: bytes=9-1'],
    // With "Connection: upgrade", Node reads nothing that comes behind it.
    ['Upgrade: websocket', 'Sec-WebSocket-Version: 13'],
    ['X-Method-Override: GET', 'X-Original-URL: /status', 'X-Rewrite-URL: /promote'],
    [`X-Latin: ${'\xe9'.repeat(random.integer(1, 500))}`, 'X-Empty:', '__proto__: x'],
    ['If-Match: *', 'If-None-Match: *', 'Accept: ;;;q=', 'Accept-Encoding: \t,,'],
  ]);

const MAKERS: [Maker, ...Maker[]] = [
  ...([wrongKey, otherClient, wrongMethod, nowhere, wrongId, unknownId] as const),
  ...([wrongEpoch, staleEpoch, wrongBody, wrongBody, wrongBody, wrongMessage] as const),
  ...([wrongHeader, wrongQuery, wrongUpload, orphanCommit] as const),
];
