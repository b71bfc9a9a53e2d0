import { readFileSync } from 'node:fs';
import { parse } from 'dotenv';
import { describe, expect, test } from 'vitest';
import { fillVariableTables, renderEnvExample } from '../../scripts/lib/variable-documents.js';
import { ConfigError, loadConfig } from '../../src/config/config.js';
import { meantVariable } from '../../src/config/misspelled.js';
import { environmentSchema, GROUPS, SECRETS } from '../../src/config/variables.js';

const unfilled = readFileSync('.env.example', 'utf8');
/** Each reader's keys are their own: one that is printed there would be everybody's. */
const example = unfilled
  .replace(/^(PEER|ADMIN|WEBHOOK)_TOKEN=$/gm, (line, door) => line + door.repeat(8))
  .replace('=whsec_', `=whsec_${'A'.repeat(43)}=`);
const asWritten = parse(example);
/** Every line that sets a variable, also the commented ones. */
const documented = {
  ...parse(example.replaceAll(/^#(?=[A-Z_]+=)/gm, '')),
  // TLS_CA asks for it.
  PEER_URL: 'https://10.0.0.2:8080',
};

const complaint = (environment: Record<string, string | undefined>): string => {
  try {
    loadConfig(environment);
    return 'accepted';
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
};

describe('.env.example', () => {
  test('is accepted as soon as its three keys are filled in, and not before', () => {
    expect(loadConfig(asWritten).NODE_NAME).toBe('vcl3');
    for (const door of ['PEER', 'ADMIN', 'WEBHOOK'])
      expect(complaint(parse(unfilled))).toContain(`${door}_TOKEN is required`);
  });

  test.each(['compose', 'host'] as const)(
    'is accepted with every commented line taken in and STACK=%s',
    (stack) => {
      expect(loadConfig({ ...documented, STACK: stack }).STACK).toBe(stack);
    },
  );

  test('documents every variable once, and none that does not exist', () => {
    const lines = [...unfilled.matchAll(/^#?([A-Z_]+)=/gm)].map(([, name]) => name);
    expect(lines.sort()).toEqual(Object.keys(environmentSchema.shape).sort());
  });

  test('and the manual say what the definitions say: npm run document makes them anew', () => {
    const manual = readFileSync('wrangler-free-readme.md', 'utf8');
    expect(unfilled).toBe(renderEnvExample());
    expect(manual).toBe(fillVariableTables(manual));
    expect(manual).toContain('| `COMPOSE_PROJECT_DIR` | `.` |');
  });

  test('holds no secret, and no line that is too long to read', () => {
    for (const name of SECRETS.filter((each) => each !== 'NOTIFY_URLS'))
      expect(unfilled).toMatch(new RegExp(`^#?${name}=(whsec_)?$`, 'm'));
    expect(
      unfilled.split('\n').filter((line) => line.startsWith('# ') && line.length > 120),
    ).toEqual([]);
  });

  test('shows what the variables are whose default follows from another one', () => {
    for (const name of ['CHECK_TIMEOUT', 'BACKUP_DIR'] as const)
      expect(loadConfig(documented)[name]).toBe(loadConfig(asWritten)[name]);
  });
});

test.each([
  ['5s', undefined, 2_500],
  ['1s', undefined, 500],
  ['200ms', undefined, 500],
  ['1m', undefined, 3_000],
  ['1s', '4s', 4_000],
])(
  'with CHECK_INTERVAL=%s and CHECK_TIMEOUT=%s a check waits %i ms',
  (interval, timeout, expected) => {
    const checks = { CHECK_INTERVAL: interval, CHECK_TIMEOUT: timeout };
    expect(loadConfig({ ...asWritten, ...checks }).CHECK_TIMEOUT).toBe(expected);
  },
);

test('a variable that stands in two groups would be read by one of them only', () => {
  const names = GROUPS.flatMap(({ variables }) => Object.keys(variables));
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});

test.each([
  ['PEER_ULR', 'PEER_URL'],
  ['BACKUP_KEPP', 'BACKUP_KEEP'],
  ['CHECK_INTERVALL', 'CHECK_INTERVAL'],
  ['WITNES_URL', 'WITNESS_URL'],
  ['peer_ssh', 'PEER_SSH'],
  ['MONITOR', undefined],
  ['HOME', undefined],
  ['NODE_ENV', undefined],
  ['PGHOST', undefined],
  ['', undefined],
])('%s is taken for a misspelled %s', (typed, meant) => {
  expect(meantVariable(typed)).toBe(meant);
});

describe('a bad environment stops the start and names the variable (H23)', () => {
  test.each([
    ['NODE_NAME', undefined, 'NODE_NAME is required'],
    ['NODE_NAME', 'vcl 3', 'NODE_NAME="vcl 3": must be letters'],
    ['INITIAL_ROLE', 'master', 'INITIAL_ROLE="master"'],
    ['PORT', '70000', 'PORT="70000": must be from 0 to 65535'],
    ['PEER_URL', 'vcl2:8080', 'PEER_URL="vcl2:8080": must be a URL'],
    ['STATE_DIR', 'state', 'STATE_DIR="state": must be an absolute path'],
    ['BACKUP_CRON', 'often', 'BACKUP_CRON="often": must be a cron expression'],
    ['BACKUP_KEEP', '0', 'BACKUP_KEEP="0": must be from 1 to 1000'],
    ['BACKUP_MAX_AGE', '2 hours', 'BACKUP_MAX_AGE="2 hours": must be a length of time'],
    ['CHECK_TIMEOUT', '0', 'CHECK_TIMEOUT="0": must be a length of time from 100ms to 24d'],
    ['CHECK_INTERVAL', '0', 'CHECK_INTERVAL="0": must be a length of time from 100ms to 24d'],
    // Longer than a timer can be: it would end at once.
    ['TRANSFER_TIMEOUT', '30d', 'TRANSFER_TIMEOUT="30d": must be a length of time from 1s to 24d'],
    ['ALONE', 'maybe', 'ALONE="maybe"'],
    ['STACK', 'kubernetes', 'STACK="kubernetes"'],
    ['STACK', 'host', 'APP_START_COMMAND is required with STACK=host'],
    ['DB_SERVICE', '--rm', 'DB_SERVICE="--rm": must be the name of a service'],
    ['APP_SERVICE', 'app, worker', 'APP_SERVICE="app, worker": must be names of services'],
    ['PEER_SSH', 'root', 'PEER_SSH="root": must be user@host'],
    ['PEER_SSH', 'root@10.0.0.2', 'PEER_SSH_HOST_KEY is required with PEER_SSH'],
    ['PEER_SSH_HOST_KEY', 'any', 'PEER_SSH_HOST_KEY="any": must be a pinned fingerprint'],
    ['TLS_CERT', '/a.crt', 'TLS_KEY is required with TLS_CERT'],
    ['TLS_KEY', '/a.key', 'TLS_CERT is required with TLS_KEY'],
    ['TLS_CA', '/ca.crt', 'TLS_CERT is required with TLS_KEY and TLS_CA'],
    ['TLS_CA', '/ca.crt', 'PEER_URL="http://10.0.0.2:8080": must begin with https://'],
    ['DB_NAME', undefined, 'DB_NAME is required'],
  ])('%s=%s', (name, value, message) => {
    expect(complaint({ ...asWritten, [name]: value })).toContain(message);
  });

  test('a token that is too short is refused without being shown', () => {
    const message = complaint({ ...asWritten, ADMIN_TOKEN: 'hunter2' });
    expect(message).toContain('ADMIN_TOKEN=(secret): must have at least 32 characters');
    expect(message).not.toContain('hunter2');
  });

  test('a signing secret that is no such thing is refused without being shown', () => {
    const message = complaint({ ...asWritten, WEBHOOK_SIGNING_SECRET: 'whsec_hunter2' });
    expect(message).toContain('WEBHOOK_SIGNING_SECRET=(secret): must be whsec_ and');
    expect(message).not.toContain('hunter2');
  });

  test('a way over SSH to a machine that has no commands is refused', () => {
    const ssh = { PEER_SSH: 'root@10.0.0.2', PEER_SSH_KEY: '/key' };
    expect(complaint({ ...asWritten, ...ssh, STACK: 'embedded' })).toContain(
      'works with STACK=compose and STACK=host',
    );
  });

  test('streaming replication needs what starts and stops PostgreSQL', () => {
    const stream = { ...asWritten, REPLICATION: 'stream' };
    const host = { STACK: 'host', APP_START_COMMAND: 'true', APP_STOP_COMMAND: 'true' };
    expect(complaint({ ...stream, ...host })).toContain(
      'DB_STOP_COMMAND is required with REPLICATION=stream',
    );
    expect(complaint({ ...stream, STACK: 'embedded' })).toContain(
      'stream works with STACK=compose and STACK=host',
    );
    expect(loadConfig({ ...stream, STACK: 'compose' })).toMatchObject({ REPLICATION: 'stream' });
  });

  test('one key for two doors is refused', () => {
    expect(complaint({ ...asWritten, ADMIN_TOKEN: asWritten.PEER_TOKEN })).toContain(
      'three doors, three keys',
    );
  });

  test('all mistakes are named at once', () => {
    const message = complaint({});
    for (const name of [
      'NODE_NAME',
      'INITIAL_ROLE',
      'PEER_URL',
      'DB_NAME',
      'APP_HEALTH_URL',
      'PEER_TOKEN',
    ]) {
      expect(message).toContain(name);
    }
  });

  test('an empty line counts as absent', () => {
    expect(loadConfig({ ...asWritten, PORT: '' }).PORT).toBe(8080);
  });
});
