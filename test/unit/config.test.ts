import { readFileSync } from 'node:fs';
import { parse } from 'dotenv';
import { describe, expect, test } from 'vitest';
import { ConfigError, loadConfig } from '../../src/config/config.js';
import { environmentSchema } from '../../src/config/variables.js';

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

  test('is accepted with every commented line taken in', () => {
    expect(loadConfig(documented).STACK).toBe('host');
  });

  test('documents every variable, and none that does not exist', () => {
    expect(Object.keys(documented).sort()).toEqual(Object.keys(environmentSchema.shape).sort());
  });

  test('shows the defaults where a line is commented out', () => {
    const shown = loadConfig({ ...documented, ...asWritten, PEER_URL: documented.PEER_URL });
    const defaults = loadConfig({ ...asWritten, PEER_URL: documented.PEER_URL });
    const examples = [
      'BACKUP_PREFIX',
      'PG_BIN',
      'EMBEDDED_APP',
      'PRIMARY_CHECK_URL',
      'WITNESS_URL',
      'NOTIFY_URLS',
      'WEBHOOK_MONITORS',
      'WEBHOOK_SIGNING_SECRET',
      'TLS_CERT',
      'TLS_KEY',
      'TLS_CA',
    ];
    const differing = Object.keys(defaults).filter(
      (name) =>
        JSON.stringify(shown[name as keyof typeof shown]) !==
        JSON.stringify(defaults[name as keyof typeof defaults]),
    );
    expect(differing.filter((name) => !examples.includes(name))).toEqual([]);
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
    ['APP_START_COMMAND', undefined, 'APP_START_COMMAND is required with STACK=host'],
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
