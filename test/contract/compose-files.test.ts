import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createContainerFiles } from '../../src/drivers/compose/files.js';
import { openProject } from '../../src/drivers/compose/project.js';
import type { ClusterFiles } from '../../src/drivers/postgres/cluster/files.js';
import { localExecutor } from '../../src/drivers/run-command.js';
import { type ComposeHarness, makeComposeHarness } from '../support/compose-harness.js';
import { DockerEngine, describeDocker } from '../support/docker-engine.js';
import { eventually } from '../support/pair.js';
import { watchProcesses } from '../support/processes.js';

vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });

const never = new AbortController().signal;
const DATA = '/var/lib/postgresql/data';
const PROGRAMS = '/usr/lib/postgresql/15/bin';

describeDocker('the files of a database in a container', () => {
  let engine: DockerEngine;
  let harness: ComposeHarness;
  let files: ClusterFiles;
  beforeAll(async () => {
    engine = await DockerEngine.start();
    Object.assign(process.env, engine.env);
    harness = await makeComposeHarness(engine);
    const { compose, directory } = harness.project;
    files = createContainerFiles({
      project: openProject(localExecutor, { command: 'docker compose', directory }),
      service: 'db',
      find: async () => ({ directory: DATA }),
      create: async () => void (await compose.call(harness.project, 'up', '--no-start', 'db')),
      socket: undefined,
    });
    await harness.stack.database.start(never);
  });
  afterAll(async () => {
    await harness?.cleanup();
    await engine?.remove();
  });

  const helpers = () => engine.docker('ps', '--all', '--quiet', '--filter', 'name=coldspare-files');
  const nothingIsLeft = () =>
    eventually('its container is gone', async () => (await helpers()) === '');
  /** What the server, which runs, sees there. */
  const stat = (path: string) =>
    harness.project.exec('db', ['stat', '-c', '%U:%a', join(DATA, path)]);

  test.each(['runs', 'is stopped'])('while it %s, they can be read and changed', async (how) => {
    if (how === 'is stopped') await harness.stack.database.stop(never);
    const [folder, file, moved] = ['pgsql_tmp_new', 'pgsql_tmp_new/a', 'b'].map((name) =>
      join(DATA, name),
    ) as [string, string, string];
    const content = Buffer.from([0, 255, 10, 13, 0, 39, 36]);
    await files.change([
      { do: 'make', path: folder },
      { do: 'write', path: file, content },
      { do: 'write', path: join(folder, 'c'), content: '' },
      { do: 'sync', path: folder },
      { do: 'move', path: file, to: moved },
    ]);
    expect(await files.read([moved, file, join(folder, 'c')])).toEqual([
      content,
      undefined,
      Buffer.alloc(0),
    ]);
    expect(await files.list(folder)).toEqual(['c']);
    expect(await files.list(join(DATA, 'none'))).toEqual([]);
    expect(await files.list(DATA)).toContain('b');
    expect(await files.room(DATA)).toBeGreaterThan(1024 ** 2);
    expect(await files.size(DATA)).toBeGreaterThan(1024 ** 2);
    await harness.stack.database.start(never);
    expect((await stat('b')).trim()).toBe('postgres:600');
    expect((await stat('pgsql_tmp_new')).trim()).toBe('postgres:700');
    await files.change([
      { do: 'remove', path: folder },
      { do: 'remove', path: moved },
    ]);
    expect(await files.list(folder)).toEqual([]);
    await nothingIsLeft();
  });

  test('a change that cannot be made ends the others, and is told', async () => {
    const [none, after] = [join(DATA, 'none'), join(DATA, 'after')] as const;
    await expect(
      files.change([
        { do: 'move', path: none, to: after },
        { do: 'write', path: after, content: '' },
      ]),
    ).rejects.toMatchObject({ code: 'command-failed', message: expect.stringContaining(none) });
    expect(await files.read([after])).toEqual([undefined]);
  });

  test('what is written is in no command line, in the container or outside', async () => {
    const secret = Buffer.from('a password of the replication role');
    const path = join(DATA, 'conf');
    const change = files.change([{ do: 'write', path, content: secret }]);
    const seen = [...(await watchProcesses(change))];
    expect(seen.some((line) => line.includes('exec --interactive'))).toBe(true);
    expect(seen.filter((line) => line.includes(secret.toString('base64').slice(0, 12)))).toEqual(
      [],
    );
    await files.change([{ do: 'remove', path }]);
  });

  test('programs of PostgreSQL run as the owner of the files, beside a database that is stopped', async () => {
    await expect(files.assertStopped(DATA)).rejects.toMatchObject({ code: 'database-failed' });
    await harness.stack.database.stop(never);
    await files.assertStopped(DATA);
    const control = await files.run([join(PROGRAMS, 'pg_controldata'), DATA], { timeout: 30_000 });
    expect(control).toMatch(/Database cluster state: +shut down/);
    expect((await files.run(['id', '-un'], { timeout: 30_000 })).trim()).toBe('postgres');
    await nothingIsLeft();
  });

  test('a program that is called off leaves nothing', async () => {
    const calledOff = new AbortController();
    const run = files.run(['sleep', '600'], { timeout: 60_000, signal: calledOff.signal });
    const refused = expect(run).rejects.toThrow('called off');
    await eventually('it runs', async () => (await helpers()) !== '');
    calledOff.abort(new Error('called off'));
    await refused;
    expect(await helpers()).toBe('');
  });

  test('after "docker compose down": its container is made, and not started', async () => {
    await harness.project.compose('down', '--timeout', '2');
    expect(await files.list(DATA)).toContain('PG_VERSION');
    expect(await harness.project.inspect('db', '{{.State.Status}}')).toBe('created');
    await nothingIsLeft();
  });
});
