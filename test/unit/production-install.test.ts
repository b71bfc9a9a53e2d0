import { mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCommand } from '../../src/drivers/run-command.js';

const IMPORT = /^(?:import|export)\s+(?:[\w$*{},\s]+\sfrom\s+)?'([^']+)'|\bimport\(\s*'([^']+)'/gm;
const MAIN = resolve('dist/src/main.js');

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'coldspare-production-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** An agent that would start, but for its stack. */
const startEmbedded = (program: string): Promise<string> =>
  runCommand([process.execPath, program], {
    timeout: 20_000,
    cwd: directory,
    env: {
      NODE_NAME: 'vcl2',
      INITIAL_ROLE: 'primary',
      PEER_URL: 'http://127.0.0.1:9',
      STATE_DIR: join(directory, 'state'),
      STACK: 'embedded',
      DB_NAME: 'shop',
      APP_HEALTH_URL: 'http://127.0.0.1:9/',
      PEER_TOKEN: 'p'.repeat(32),
      ADMIN_TOKEN: 'a'.repeat(32),
      WEBHOOK_TOKEN: 'w'.repeat(32),
    },
  });

test('an agent is set up with the stack of the demo: it refuses, and names the program that has it', async () => {
  await expect(startEmbedded(MAIN)).rejects.toThrow('node dist/scripts/embedded-stack/main.js');
  expect(await readdir(directory)).toEqual([]);
});

test('an agent is started through a symbolic link, as a deployed one is: it runs', async () => {
  const link = join(directory, 'current');
  await symlink(resolve('dist'), link);
  await expect(startEmbedded(join(link, 'src/main.js'))).rejects.toThrow('STACK=embedded');
  await rm(link);
});

test('the agent imports no package that a production install lacks', async () => {
  const { dependencies } = JSON.parse(await readFile('package.json', 'utf8'));
  const files = (await readdir('src', { recursive: true })).filter((name) => name.endsWith('.ts'));
  const imported = await Promise.all(
    files.map(async (file) => {
      const text = await readFile(join('src', file), 'utf8');
      return [...text.matchAll(IMPORT)].map(([, fixed, dynamic]) => fixed ?? dynamic ?? '');
    }),
  );
  const packages = imported
    .flat()
    .filter((name) => !/^(\.|node:)/.test(name))
    .map((name) =>
      name
        .split('/')
        .slice(0, name.startsWith('@') ? 2 : 1)
        .join('/'),
    );
  expect(packages).toContain('hono');
  expect([...new Set(packages)].filter((name) => !(name in dependencies))).toEqual([]);
});
