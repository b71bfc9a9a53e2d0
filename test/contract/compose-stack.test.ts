import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Readable, Writable } from 'node:stream';
import { afterAll, beforeAll, beforeEach, expect, vi } from 'vitest';
import { createComposeStack } from '../../src/drivers/compose/stack.js';
import { isHealthy } from '../../src/ports/probe.js';
import { type ComposeHarness, makeComposeHarness } from '../support/compose-harness.js';
import { DockerEngine, describeDocker } from '../support/docker-engine.js';
import { eventually } from '../support/pair.js';
import { watchProcesses } from '../support/processes.js';
import { drawnTests } from '../support/sample.js';
import { CROCKERY, dump, testStackContract } from './stack-contract.js';

vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });

/**
 * A process of ours that ends by a signal, after its parent, would be taken for a crash by PostgreSQL, which is the first
 * process of its container: it ends all sessions.
 */
const STILL_THERE = 'SELECT 1';
const never = new AbortController().signal;
const POLICY = '{{.HostConfig.RestartPolicy.Name}}';
const STARTED = '{{.Id}} {{.State.StartedAt}}';

describeDocker('compose stack', () => {
  let engine: DockerEngine;
  let harness: ComposeHarness;
  beforeAll(async () => {
    engine = await DockerEngine.start();
    Object.assign(process.env, engine.env);
    harness = await makeComposeHarness(engine);
  });
  afterAll(() => engine?.remove());

  // The driver of PostgreSQL is the host stack's, which is tried in most of it: what differs is where its programs run.
  testStackContract(async () => harness, 0.15);

  // All of it in a soak.
  const { describe, test } = drawnTests(0.25);

  describe('as only containers can be', () => {
    beforeEach(() => harness.reset());

    /** The same project, with something else configured. */
    const stackWith = (more: Partial<ComposeHarness['options']>) =>
      createComposeStack({ ...harness.options, ...more });
    const inspect = (service: string, format: string) => harness.project.inspect(service, format);
    const processes = () => harness.project.compose('top', 'db');

    /** `use` while the user's own override file says something else. */
    const withOverride = async (change: (before: string) => string, use: () => Promise<void>) => {
      const override = join(harness.project.directory, 'docker-compose.override.yml');
      const before = await readFile(override, 'utf8');
      await writeFile(override, change(before));
      try {
        await use();
      } finally {
        await writeFile(override, before);
      }
    };

    test('h08: what the agent starts has no restart policy, and the compose file is as it was', async () => {
      const file = join(harness.project.directory, 'docker-compose.yml');
      const before = await readFile(file, 'utf8');
      await harness.stack.app.start(never);
      expect(await inspect('db', POLICY)).toBe('no');
      expect(await inspect('app', POLICY)).toBe('no');
      expect(await harness.stack.disarm?.()).toEqual([]);
      expect(await readFile(file, 'utf8')).toBe(before);
      expect(before).toContain('restart: unless-stopped');
    });

    test('h08: the policies of a plain "docker compose up" are taken back, and nothing is restarted', async () => {
      await harness.project.compose('up', '--detach');
      expect(await inspect('app', POLICY)).toBe('unless-stopped');
      const before = [await inspect('db', STARTED), await inspect('app', STARTED)];
      expect((await harness.stack.disarm?.())?.sort()).toEqual(['shop_app', 'shop_db']);
      expect(await inspect('app', POLICY)).toBe('no');
      expect(await inspect('db', POLICY)).toBe('no');
      expect([await inspect('db', STARTED), await inspect('app', STARTED)]).toEqual(before);
    });

    test('a policy under "deploy", which outranks "restart", is switched off as well', async () => {
      await harness.project.compose('rm', '--stop', '--force', 'app');
      const policy = '{ restart_policy: { condition: on-failure, max_attempts: 5 } }';
      await withOverride(
        (before) => `${before}  app: { deploy: ${policy} }\n`,
        async () => {
          await harness.stack.app.start(never);
          expect(await inspect('app', POLICY)).toBe('no');
        },
      );
    });

    test('a deploy changed the images: the app starts from the new one, the database stays as it is', async () => {
      const { app } = harness.stack;
      await app.start(never);
      const database = await inspect('db', STARTED);
      await harness.project.compose('build', '--quiet', '--build-arg', 'VERSION=2', 'app');
      await app.start(never);
      expect(await version()).toBe('1');

      await app.stop(never);
      await withOverride(
        (before) => before.replace('fsync=off', 'fsync=off -c work_mem=7MB'),
        async () => {
          await app.start(never);
          expect(await version()).toBe('2');
          expect(await inspect('db', STARTED)).toBe(database);
        },
      );
    });

    const version = () =>
      eventually('the app answers', async () => {
        const response = await fetch(harness.options.appHealthUrl);
        return response.headers.get('x-version') ?? undefined;
      });

    test('an image that was never built is not built, and said to be missing', async () => {
      await harness.stack.app.stop(never);
      await harness.project.compose('rm', '--force', 'app');
      await engine.docker('tag', 'shop_app', 'kept');
      await engine.docker('rmi', 'shop_app');
      const missing = { code: 'app-failed', message: expect.stringContaining('image shop_app') };
      try {
        await expect(harness.stack.app.assertStartable?.()).rejects.toMatchObject(missing);
        await expect(harness.stack.app.create?.(never)).rejects.toMatchObject(missing);
        await expect(harness.stack.app.start(never)).rejects.toMatchObject(missing);
      } finally {
        await engine.docker('tag', 'kept', 'shop_app');
      }
      expect(await harness.stack.app.assertStartable?.()).toMatchObject({ kept: [] });
    });

    test('docker-compose, as a program of its own, does the same', async () => {
      const plugins = await engine.docker(
        ...['info', '--format'],
        '{{range .ClientInfo.Plugins}}{{if eq .Name "compose"}}{{.Path}}{{end}}{{end}}',
      );
      const { app, database, disarm } = stackWith({ command: plugins.trim() });
      await harness.project.compose('up', '--detach', '--force-recreate', 'db');
      expect(await disarm?.()).toEqual(['shop_db']);
      await app.start(never);
      expect(await app.isRunning()).toBe(true);
      expect(await database.live()).toMatchObject({ exists: true, marker: undefined });
      await app.stop(never);
      expect(await app.isRunning()).toBe(false);
    });

    test('a dump that is called off leaves no pg_dump in the container', async () => {
      const client = await harness.connect();
      await client.query(
        `CREATE TABLE cups AS SELECT n, md5(n::text) || md5((-n)::text) AS what FROM generate_series(1, 300000) n`,
      );
      const calledOff = new AbortController();
      const stuck = new Writable({
        write: () => calledOff.abort(new Error('called off')),
      });
      await expect(harness.stack.database.dump(stuck, calledOff.signal)).rejects.toThrow(
        'called off',
      );
      await eventually('nothing runs', async () => !/pg_dump|psql/.test(await processes()));
      await client.query(STILL_THERE);
    });

    test('a restore that is called off leaves no pg_restore in the container', async () => {
      const client = await harness.connect();
      await client.query('CREATE TABLE orders AS SELECT generate_series(1, 1000) AS id');
      const { manifest, content } = await dump(harness.stack.database);
      const calledOff = new AbortController();
      const stuck = new PassThrough();
      stuck.write(content.subarray(0, 1000));
      const restore = harness.stack.database.restore(stuck, manifest, calledOff.signal);
      const refused = expect(restore).rejects.toThrow('called off');
      await eventually('pg_restore runs', async () => (await processes()).includes('pg_restore'));
      calledOff.abort(new Error('called off'));
      await refused;
      await eventually('nothing runs', async () => !/pg_restore|psql/.test(await processes()));
      await client.query(STILL_THERE);
    });

    test('a large backup is restored by several jobs, from a file that does not stay in the container', async () => {
      const { database } = stackWith({ restoreJobs: 2 });
      const client = await harness.connect();
      await client.query(CROCKERY);
      const { facts, manifest, content } = await dump(database);
      let seen = '';
      const restore = database.restore(Readable.from([content]), manifest, never);
      await Promise.all([
        restore,
        eventually('two jobs', async () => {
          seen = await processes();
          return (seen.match(/pg_restore .*--jobs=2/g)?.length ?? 0) > 2;
        }),
      ]);
      expect(await database.inventory('incoming')).toEqual(facts.inventory);
      expect(await harness.project.exec('db', ['ls', '/tmp'])).not.toContain('coldspare');
      await database.discard();
    });

    test('a large restore that is called off leaves neither a job nor its file in the container', async () => {
      const { database } = stackWith({ restoreJobs: 2 });
      const client = await harness.connect();
      await client.query(CROCKERY);
      const { manifest, content } = await dump(database);
      const calledOff = new AbortController();
      const restore = database.restore(Readable.from([content]), manifest, calledOff.signal);
      const refused = expect(restore).rejects.toThrow('called off');
      await eventually('pg_restore runs', async () => (await processes()).includes('pg_restore'));
      calledOff.abort(new Error('called off'));
      await refused;
      await eventually('nothing runs', async () => !/pg_restore|psql/.test(await processes()));
      await client.query(STILL_THERE);
      expect(await harness.project.exec('db', ['ls', '/tmp'])).not.toContain('coldspare');
    });

    test('the app is made before it is needed, and does not run', async () => {
      const { app } = harness.stack;
      await app.stop(never);
      await harness.project.compose('rm', '--force', 'app');
      await app.create?.(never);
      expect(await harness.project.inspect('app', '{{.State.Status}}')).toBe('created');
      const made = await harness.project.inspect('app', '{{.Id}}');
      await harness.stack.database.start(never);
      await app.start(never);
      expect(await harness.project.inspect('app', '{{.Id}}')).toBe(made);
      await app.create?.(never);
      expect(await app.isRunning()).toBe(true);
      await app.stop(never);
    });

    test('its password is in no command line, in the container or outside', async () => {
      const seen = [...(await watchProcesses(dump(harness.stack.database)))];
      expect(seen.some((line) => /exec -[iT] .*-e PGPASSWORD .* pg_dump /.test(line))).toBe(true);
      expect(seen.filter((line) => line.includes('brew-42'))).toEqual([]);
    });

    test('a database that dies at its start is told with what it said last', async () => {
      const { database } = stackWith({ timeouts: { start: 20_000 } });
      await database.stop(never);
      await harness.project.compose('rm', '--force', 'db');
      try {
        await withOverride(
          (before) => before.replace('fsync=off', 'fsync=maybe'),
          async () => {
            await expect(database.start(never)).rejects.toMatchObject({
              code: 'database-unreachable',
              message: expect.stringContaining('is not running'),
            });
          },
        );
      } finally {
        await harness.project.compose('rm', '--stop', '--force', 'db');
      }
    });

    describe('somebody meddles with its networks', () => {
      const NETWORK = 'shop_default';
      const network = (...args: string[]) => engine.docker('network', ...args);
      const networks = async () =>
        (await network('ls', '--filter', `name=${NETWORK}`, '--quiet')).trim().split('\n');
      const stop = async () => {
        await harness.stack.app.stop(never);
        await harness.stack.database.stop(never);
      };
      // One of the test before has lost its tables.
      beforeEach(() => harness.stack.app.stop(never));

      /** Both run, and find each other. */
      const works = async () => {
        await harness.stack.database.start(never);
        await harness.stack.app.start(never);
        await eventually('the app answers', async () => isHealthy(await harness.stack.app.check()));
        expect(await networks()).toHaveLength(1);
      };

      test('"docker network prune" on a cold standby: the same containers start all the same', async () => {
        await works();
        await stop();
        const made = [await inspect('db', '{{.Id}}'), await inspect('app', '{{.Id}}')];
        await network('prune', '--force');
        expect(await networks()).toEqual(['']);
        await works();
        expect([await inspect('db', '{{.Id}}'), await inspect('app', '{{.Id}}')]).toEqual(made);
      });

      test('"docker network prune", and the database has an address of its own: it keeps it', async () => {
        const override = join(harness.project.directory, 'docker-compose.override.yml');
        const before = await readFile(override, 'utf8');
        const remake = async (content: string) => {
          await stop();
          await harness.project.compose('rm', '--force', 'db', 'app');
          await network('prune', '--force');
          await writeFile(override, content);
        };
        const address = '10.213.77.5';
        await remake(
          `${before}    networks: { default: { ipv4_address: ${address} } }
networks: { default: { ipam: { config: [{ subnet: 10.213.77.0/24 }] } } }
`,
        );
        try {
          await works();
          await stop();
          await network('prune', '--force');
          await works();
          const format = `{{(index .NetworkSettings.Networks "${NETWORK}").IPAddress}}`;
          expect(await inspect('db', format)).toBe(address);
        } finally {
          await remake(before);
        }
      });

      test('"docker compose down" overtakes a start: the app that was made for the old network starts', async () => {
        await harness.stack.app.create?.(never);
        await stop();
        await harness.project.compose('rm', '--force', 'db');
        await network('rm', NETWORK);
        await works();
      });

      test('two clients made the network at the same time: one is left, and both containers are in it', async () => {
        await works();
        await stop();
        const labels = ['project=shop', 'network=default'].flatMap((label) => [
          '--label',
          `com.docker.compose.${label}`,
        ]);
        await doubleNetwork(labels);
        expect(await networks()).toHaveLength(2);
        await works();
      });

      /** The engine looks for the name before it makes a network, so only those who ask at the same time get two. */
      const doubleNetwork = async (labels: string[]) => {
        for (let tries = 0; (await networks()).length < 2 && tries < 100; tries += 1) {
          if (tries > 0) await network('rm', NETWORK);
          const create = () => network('create', ...labels, NETWORK).catch(() => {});
          await Promise.all([create(), create()]);
        }
      };
    });

    test('the registry is away, and the compose file would always pull: what is here starts', async () => {
      const { app, database } = harness.stack;
      await app.stop(never);
      await database.stop(never);
      await withOverride(
        (before) => {
          const always = before.replace('fsync=off', 'fsync=off\n    pull_policy: always');
          return `${always}  app: { image: shop_app, pull_policy: always }\n`;
        },
        async () => {
          await database.start(never);
          await app.start(never);
          expect(await app.isRunning()).toBe(true);
        },
      );
    });

    test('an app in a profile that is not active is started with what it depends on', async () => {
      const { app } = harness.stack;
      await app.stop(never);
      await harness.project.compose('rm', '--force', 'app');
      await withOverride(
        (before) => {
          const cache = 'cache: { image: node:20-slim, command: [sleep, "600"] }';
          return `${before}  ${cache}\n  app: { profiles: [shop], depends_on: { cache: { condition: service_started } } }\n`;
        },
        async () => {
          await app.start(never);
          expect(await inspect('cache', '{{.State.Running}}')).toBe('true');
          await harness.project.compose('rm', '--stop', '--force', 'cache', 'app');
        },
      );
    });

    test('a worker dies: its app is not whole, and a start brings back the worker alone, and repeats no task that is done', async () => {
      const { app, database } = stackWith({
        services: { database: 'db', app: ['app', 'worker', 'task'] },
      });
      await app.stop(never).catch(() => {});
      const services = [
        'worker: { image: node:20-slim, init: true, command: [sleep, "600"] }',
        'task: { image: node:20-slim, command: ["true"] }',
      ];
      await withOverride(
        (before) => `${before}${services.map((line) => `  ${line}\n`).join('')}`,
        async () => {
          await database.start(never);
          expect(await app.isFullyRunning?.()).toBe(false);
          await app.start(never);
          await eventually(
            'the task is done',
            async () => (await inspect('task', '{{.State.Status}}')) === 'exited',
          );
          expect(await app.isFullyRunning?.()).toBe(true);
          const started = await inspect('app', STARTED);
          const done = await inspect('task', STARTED);
          await harness.project.compose('kill', 'worker');
          await eventually('it notices', async () => !(await app.isFullyRunning?.()));
          expect(await app.isRunning()).toBe(true);
          await app.start(never);
          expect(await app.isFullyRunning?.()).toBe(true);
          expect(await inspect('worker', '{{.State.Running}}')).toBe('true');
          expect(await inspect('app', STARTED)).toBe(started);
          expect(await inspect('task', STARTED)).toBe(done);
          await harness.project.compose('rm', '--stop', '--force', 'worker', 'task');
        },
      );
    });

    test('the project is renamed while the agent runs: it goes on with the new containers', async () => {
      const { app, database } = harness.stack;
      await app.stop(never);
      await database.stop(never);
      await withOverride(
        (before) =>
          `name: bistro\n${before.replace('  db:', '  db:\n    container_name: bistro_db')}`,
        async () => {
          await database.start(never);
          expect(await database.answers()).toBe(true);
          await database.stop(never);
          await harness.project.compose('down', '--volumes', '--timeout', '2');
        },
      );
      await database.start(never);
    });

    test('a service that the compose file does not have is named', async () => {
      const { app } = stackWith({ services: { database: 'db', app: ['web'] } });
      await expect(app.start(never)).rejects.toMatchObject({
        code: 'app-failed',
        message: expect.stringContaining('web'),
      });
    });

    test('h53: the compose file cannot be read: what runs is known, and is stopped', async () => {
      await harness.stack.app.start(never);
      const broken = () => `services:\n  app:\n    image: "shop:\${NOWHERE_SET:?set it}"\n`;
      await withOverride(broken, async () => {
        const { app } = stackWith({});
        expect(await app.isRunning()).toBe(true);
        await app.stop(never);
        expect(await app.isRunning()).toBe(false);
        // And once more, for an app that is dead already.
        await app.stop(never);
      });
      expect(await inspect('app', '{{.State.Running}}')).toBe('false');
    });

    test('h53: the engine is stopped: the app has no process any more, and counts as stopped', async () => {
      const { app } = harness.stack;
      await app.start(never);
      expect(await app.isRunning()).toBe(true);
      await engine.shutDown();
      try {
        expect(await app.isRunning()).toBe(false);
        await app.stop(never);
      } finally {
        await engine.boot();
      }
    });

    test('an engine that does not answer does not pass for an app that is down', async () => {
      const { app } = stackWith({ command: 'docker --host unix:///nowhere compose' });
      await expect(app.isRunning()).rejects.toMatchObject({
        code: 'app-failed',
        message: expect.stringContaining('nowhere'),
      });
      await expect(app.stop(never)).rejects.toMatchObject({ code: 'app-failed' });
    });
  });
});
