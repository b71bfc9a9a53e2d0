/** biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are what a .env holds */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { writeOverride } from '../../src/drivers/compose/override.js';
import { openProject } from '../../src/drivers/compose/project.js';
import { createFileDisk } from '../../src/drivers/file-disk.js';
import { localExecutor } from '../../src/drivers/run-command.js';
import { FakeCompose } from '../support/fake-compose.js';

describe('COMPOSE_COMMAND', () => {
  const open = (command: string) => openProject(localExecutor, { command, directory: '/srv/shop' });

  test.each([
    ['docker compose', ['docker']],
    ['docker-compose', ['docker']],
    ['/usr/local/bin/docker-compose', ['docker']],
    ['podman compose', ['podman']],
    [
      'sudo -n docker --context shop compose -p shop',
      ['sudo', '-n', 'docker', '--context', 'shop'],
    ],
  ])('%s: containers are looked at with its own engine', (command, engine) => {
    expect(open(command).engine).toEqual(engine);
  });

  test.each(['compose', 'kubectl apply', 'docker'])('%s is refused', (command) => {
    expect(() => open(command)).toThrow(`COMPOSE_COMMAND is no compose command: ${command}`);
  });

  test.each(['-f prod.yml', '--file=prod.yml'])(
    'with %s, our own file would be left out',
    (flag) => {
      expect(() => open(`docker compose ${flag}`)).toThrow('names compose files');
    },
  );
});

describe('the override file', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'override-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  const put = (name: string, text = '') => writeFile(join(directory, name), text);
  const write = async (
    environment: Record<string, string> = {},
    envFiles: readonly string[] = ['.env'],
  ) => {
    const file = '/state/compose.override.yml';
    const disk = { read: async () => undefined, write: async () => {} };
    const options = { file, disk, services: ['db'], directory, environment, envFiles };
    return (await writeOverride(options)).COMPOSE_FILE;
  };

  test('comes after the files that compose finds by itself', async () => {
    await put('docker-compose.yaml');
    expect(await write()).toBe('docker-compose.yaml:/state/compose.override.yml');
    await put('docker-compose.yml');
    await put('docker-compose.override.yml');
    expect(await write()).toBe(
      'docker-compose.yml:docker-compose.override.yml:/state/compose.override.yml',
    );
    await put('compose.yaml');
    await put('compose.override.yaml');
    expect(await write()).toBe('compose.yaml:compose.override.yaml:/state/compose.override.yml');
  });

  test('comes after the files that the user names, in .env or in the environment', async () => {
    await put('docker-compose.yml');
    await put('.env', 'COMPOSE_FILE=base.yml:prod.yml\n');
    expect(await write()).toBe('base.yml:prod.yml:/state/compose.override.yml');
    expect(await write({ COMPOSE_FILE: 'one.yml,two.yml', COMPOSE_PATH_SEPARATOR: ',' })).toBe(
      'one.yml,two.yml,/state/compose.override.yml',
    );
  });

  test('comes after files that are named by variables, as compose reads them', async () => {
    await put('.env', 'STAGE=prod\nDIR="/srv/$STAGE"\nCOMPOSE_FILE=base.yml:${DIR}/${STAGE}.yml\n');
    expect(await write()).toBe('base.yml:/srv/prod/prod.yml:/state/compose.override.yml');
    expect(await write({ STAGE: 'test' })).toBe(
      'base.yml:/srv/test/test.yml:/state/compose.override.yml',
    );
    await put(
      '.env',
      "COMPOSE_FILE=${NONE:-a}.yml:${NONE-b}.yml:${NONE}${STAGE:+c}.yml\nNO='$X'\n",
    );
    expect(await write({ STAGE: '1' })).toBe('a.yml:b.yml:c.yml:/state/compose.override.yml');
    await put('.env', "COMPOSE_FILE='$odd.yml'\n");
    expect(await write()).toBe('$odd.yml:/state/compose.override.yml');
  });

  test('comes after the files that another file than .env names', async () => {
    const { envFiles } = openProject(localExecutor, {
      command: 'docker compose --env-file prod.env --env-file=more.env',
      directory,
    });
    expect(envFiles).toEqual(['prod.env', 'more.env']);
    await put('prod.env', 'STAGE=prod\n');
    await put('more.env', 'COMPOSE_FILE=${STAGE}.yml\n');
    expect(await write({}, envFiles)).toBe('prod.yml:/state/compose.override.yml');
  });

  test('a directory without a compose file is named', async () => {
    await expect(write()).rejects.toThrow(`there is no compose file in ${directory}`);
  });

  test('gives a replica the folder of the socket', async () => {
    await put('docker-compose.yaml');
    let text = '';
    const disk = {
      read: async () => undefined,
      write: async (_file: string, written: string) => {
        text = written;
      },
    };
    const mounts = { db: { directory: '/srv/a $b', target: '/run/coldspare' } };
    const options = { file: '/state/o.yml', disk, services: ['db'], directory, environment: {} };
    await writeOverride({ ...options, envFiles: [], mounts });
    expect(text).toContain(
      '    volumes: [{ type: bind, source: "/srv/a $$b", target: "/run/coldspare" }]\n',
    );
  });

  test('says who wrote it', async () => {
    await put('compose.yml');
    const file = join(directory, 'state', 'ours.yml');
    const disk = createFileDisk();
    await writeOverride({
      file,
      disk,
      services: ['db', 'app'],
      directory,
      environment: {},
      envFiles: [],
    });
    expect(await readFile(file, 'utf8')).toBe(`\
# Written by coldspare, and written again at every start of a service: these start when the agent says so.
services:
  "db":
    restart: "no"
    deploy: { restart_policy: { condition: none, max_attempts: 0 } }
    pull_policy: if_not_present
  "app":
    restart: "no"
    deploy: { restart_policy: { condition: none, max_attempts: 0 } }
    pull_policy: if_not_present
`);
  });
});

test('an engine that does not answer is told as such by whatever asks it for the app', async () => {
  const compose = new FakeCompose();
  compose.services = { db: { image: 'postgres:15' }, app: { image: 'shop' } };
  compose.down = 'Cannot connect to the Docker daemon';
  const { app } = compose.stack();
  const signal = new AbortController().signal;
  const down = { message: expect.stringContaining('Cannot connect') };
  await expect(app.start(signal)).rejects.toMatchObject({ code: 'app-failed', ...down });
  await expect(app.create?.(signal)).rejects.toMatchObject({ code: 'app-failed', ...down });
  await expect(app.assertStartable?.()).rejects.toMatchObject({ code: 'command-failed', ...down });
});
