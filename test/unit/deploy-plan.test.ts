import { execFileSync } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Inventory, layoutOf, parseInventory } from '../../scripts/deploy-pair/inventory.js';
import {
  environmentOf,
  formatDifference,
  formatEnvironment,
  parseEnvironment,
} from '../../scripts/deploy-pair/node-environment.js';
import { orderOf } from '../../scripts/deploy-pair/order.js';
import { chooseTarget } from '../../scripts/deploy-pair/rollback.js';
import { loadSecrets } from '../../scripts/deploy-pair/secrets.js';
import { Stop } from '../../scripts/deploy-pair/stop.js';
import { unitFile } from '../../scripts/deploy-pair/unit-file.js';
import { runCommand } from '../../src/drivers/run-command.js';

const example = await readFile('scripts/deploy-pair/inventory.example.yml', 'utf8');
const SECRETS = {
  PEER_TOKEN: 'p'.repeat(32),
  ADMIN_TOKEN: 'a'.repeat(32),
  WEBHOOK_TOKEN: 'w'.repeat(32),
};
const read = (text = example): Inventory => parseInventory('inventory.yml', text);

describe('the inventory', () => {
  test('the example is one, and both agents would start with it', () => {
    const inventory = read();
    const [vcl2, vcl3] = inventory.servers.map(
      (server) => environmentOf(inventory, server, SECRETS).variables,
    );
    expect(vcl2).toMatchObject({
      NODE_NAME: 'vcl2',
      INITIAL_ROLE: 'primary',
      PEER_URL: 'http://10.0.0.3:8080',
      PRIMARY_CHECK_URL: 'http://10.0.0.3:3000/coffees',
      STATE_DIR: '/var/lib/coldspare',
    });
    expect(vcl3).toMatchObject({
      NODE_NAME: 'vcl3',
      INITIAL_ROLE: 'standby',
      PEER_URL: 'http://10.0.0.2:8080',
    });
  });

  test.each<[name: string, from: string | RegExp, to: string, said: RegExp]>([
    ['a third server', /^environment:/m, '  vcl4: {}\nenvironment:', /servers/],
    ['a key that is not one', 'user: root', 'usr: root', /usr/],
    ['a variable that is not one', 'DB_NAME:', 'DB_NMAE:', /environment.DB_NMAE: there is no such/],
    ['a secret', 'DB_NAME:', 'DB_PASSWORD: x\n  DB_NAME:', /environment.DB_PASSWORD: is a secret/],
    ['what the deploy decides', 'DB_NAME:', 'NODE_NAME: x\n  DB_NAME:', /set by the deploy itself/],
    ['a fingerprint of another kind', /SHA256:\S+/, 'MD5:00', /host_key: must be a fingerprint/],
    ['no YAML at all', 'servers:', 'servers: [', /is not YAML/],
  ])('%s is refused with its name', (_name, from, to, said) => {
    expect(() => read(example.replace(from, to))).toThrow(said);
  });

  test('agents with certificates are asked over https', () => {
    const tls = 'TLS_CERT: /etc/tls/a.crt\n  TLS_KEY: /etc/tls/a.key\n  TLS_CA: /etc/tls/ca.crt';
    const inventory = read(example.replace('DB_NAME: coffee_dev', `DB_NAME: x\n  ${tls}`));
    const { variables } = environmentOf(inventory, inventory.servers[0], SECRETS);
    expect(variables).toMatchObject({ PEER_URL: 'https://10.0.0.3:8080' });
  });

  test('a value that the agent would not take stops the deploy, not the agent', () => {
    const inventory = read(example.replace('DB_NAME: coffee_dev', 'DB_NAME: x\n  PORT: 99999'));
    expect(() => environmentOf(inventory, inventory.servers[0], SECRETS)).toThrow(
      /vcl2: .*\n.*PORT/,
    );
  });

  test('the stack of the demo is not deployed: no server would have it', () => {
    const inventory = read(example.replace('STACK: compose', 'STACK: embedded'));
    expect(() => environmentOf(inventory, inventory.servers[0], SECRETS)).toThrow(/STACK=embedded/);
  });

  test('a folder name that a unit file would read in its own way is refused', () => {
    const inventory = read(example.replace('/srv/coffee', '/srv/my coffee'));
    expect(() => environmentOf(inventory, inventory.servers[0], SECRETS)).toThrow(
      /COMPOSE_PROJECT_DIR="\/srv\/my coffee"/,
    );
  });
});

describe('coldspare.env', () => {
  const nasty = { A: '', B: `it's "$HOME" \\ \`id\` $(id)`, C: '#x', D: ' ü☕ ', E: 'a=b' };

  test('a shell reads what was written, as systemd does', async () => {
    const program = 'set -a; eval "$1"; printf "%s|" "$A" "$B" "$C" "$D" "$E"';
    const argv = ['sh', '-c', program, 'sh', formatEnvironment(nasty)];
    expect(await runCommand(argv, { timeout: 10_000 })).toBe(
      Object.values(nasty)
        .map((value) => `${value}|`)
        .join(''),
    );
  });

  test('it is read back as it was', () => {
    expect(parseEnvironment(formatEnvironment(nasty))).toEqual(nasty);
  });

  test('a difference shows no secret', () => {
    const said = formatDifference(
      { PORT: '1', PEER_TOKEN: 'old-secret' },
      { PORT: '2', PEER_TOKEN: 'new-secret', DB_PASSWORD: 'third-secret' },
    );
    expect(said).toEqual([
      'PORT: 1 → 2',
      'PEER_TOKEN: a new secret',
      'DB_PASSWORD: (unset) → (secret)',
    ]);
  });
});

describe('the .secrets file', () => {
  const withFile = async (text: string, mode: number, use: (file: string) => Promise<unknown>) => {
    const directory = await mkdtemp(join(tmpdir(), 'secrets-'));
    const file = join(directory, 'inventory.secrets');
    try {
      await writeFile(file, text);
      await chmod(file, mode);
      await use(file);
    } finally {
      await rm(directory, { recursive: true });
    }
  };
  const load = (file: string) => loadSecrets(file, [], { rotate: false });

  test('what others may read is not used', () =>
    withFile(formatEnvironment(SECRETS), 0o640, async (file) => {
      await expect(load(file)).rejects.toThrow(/others may read it/);
    }));

  test('only what is missing is made', () =>
    withFile(`PEER_TOKEN="${SECRETS.PEER_TOKEN}"\nDB_PASSWORD="x y"\n`, 0o600, async (file) => {
      const { variables, change } = await load(file);
      expect(variables).toMatchObject({ PEER_TOKEN: SECRETS.PEER_TOKEN, DB_PASSWORD: 'x y' });
      expect(variables.ADMIN_TOKEN).toMatch(/^[0-9a-f]{64}$/);
      expect(change).toMatch(/^write new ADMIN_TOKEN, WEBHOOK_TOKEN to/);
    }));

  test('a setting that is no secret has another place', () =>
    withFile('PORT="8080"\n', 0o600, async (file) => {
      await expect(load(file)).rejects.toThrow(/PORT is no secret/);
    }));
});

describe('the unit file', () => {
  const about = { layout: layoutOf({ root: '/' }), node: process.execPath };
  const config: Parameters<typeof unitFile>[0]['config'] = {
    NODE_NAME: 'vcl2',
    STACK: 'compose',
    STATE_DIR: '/var/lib/coldspare',
    BACKUP_DIR: '/var/lib/coldspare/backups',
    COMPOSE_COMMAND: 'docker compose',
  };
  const unitFor = (runAs: string, more: Partial<typeof config> = {}) =>
    unitFile({
      ...about,
      inventory: { runAs, writable: ['/srv/x'] },
      config: { ...config, ...more },
    });

  test('docker is for the agent alone, and only where it is used', () => {
    expect(unitFor('coldspare')).toMatch(/^SupplementaryGroups=docker$/m);
    expect(unitFor('coldspare', { STACK: 'host' })).not.toContain('docker');
    expect(unitFor('coldspare', { COMPOSE_COMMAND: 'podman compose' })).not.toContain('docker');
  });

  test('it may write where it has to, and nowhere else', () => {
    const writable = [...unitFor('coldspare').matchAll(/^ReadWritePaths=(.*)$/gm)];
    expect(writable.map(([, path]) => path)).toEqual(['/var/lib/coldspare', '/srv/x']);
  });

  const analyze = (() => {
    try {
      execFileSync('systemd-analyze', ['--version']);
      return test;
    } catch {
      if (process.env.CI === 'true') throw new Error('systemd-analyze is not installed (systemd)');
      return test.skip;
    }
  })();
  analyze.each(['coldspare', 'root'])(
    'systemd understands every line, as %s (systemd-analyze)',
    async (runAs) => {
      const directory = await mkdtemp(join(tmpdir(), 'unit-'));
      const file = join(directory, 'coldspare.service');
      const run = (...argv: string[]) =>
        runCommand(['sh', '-c', '"$@" 2>&1', 'sh', 'systemd-analyze', ...argv, file], {
          timeout: 30_000,
        });
      try {
        await writeFile(file, unitFor(runAs));
        expect(await run('verify', '--man=no')).toBe('');
        // From 0 (safe) to 10; a service without any hardening has 9.6.
        const threshold = runAs === 'root' ? 45 : 25;
        await run('security', '--offline=true', '--no-pager', `--threshold=${threshold}`);
      } finally {
        await rm(directory, { recursive: true });
      }
    },
  );
});

describe('the order of an upgrade', () => {
  const pair = (...roles: ('primary' | 'standby' | undefined)[]) =>
    roles.map((role, index) => ({
      name: index,
      seen: { status: role && ({ role } as never) },
    }));
  test.each([
    [
      'both are down: the primary first, so that the standby finds it',
      [undefined, undefined],
      [0, 1],
    ],
    ['the standby first', ['primary', 'standby'], [1, 0]],
    ['also when the roles are exchanged', ['standby', 'primary'], [0, 1]],
    ['who is down is helped up before the other one is touched', ['standby', undefined], [1, 0]],
  ] as const)('%s', (_name, roles, order) => {
    expect(orderOf(pair(...roles)).map(({ name }) => name)).toEqual(order);
  });
  test('of two primaries none is touched', () => {
    expect(() => orderOf(pair('primary', 'primary'))).toThrow(Stop);
  });
});

describe('what a rollback leads to', () => {
  const links = (current?: string, proven?: string, previous?: string) => ({
    name: 'vcl',
    current,
    proven,
    previous,
  });
  test.each([
    ['the proven version was no good after all', ['2', '2', '1'], ['2', '2', '1'], '1'],
    ['a deploy came to one server only', ['3', '2', '1'], ['2', '2', '1'], '2'],
    ['a deploy came to both, and they do not work', ['3', '2', '1'], ['3', '2', '1'], '2'],
    ['a rollback came to one server only', ['1', '2', '1'], ['2', '2', '1'], '1'],
    ['a rollback came to both and was cut before its end', ['1', '2', '1'], ['1', '2', '1'], '1'],
  ] as const)('%s', (_name, one, other, target) => {
    expect(chooseTarget([links(...one), links(...other)])).toBe(target);
  });
  test.each([
    ['nothing was ever proven', links('1'), links('1')],
    ['the first version is the only one', links('1', '1'), links('1', '1')],
    ['one server is new', links('2', '2', '1'), links('2', '2')],
  ])('nowhere when %s', (_name, one, other) => {
    expect(() => chooseTarget([one, other])).toThrow(/no version that both servers had before/);
  });
});
