import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ColdspareError } from '../../src/domain/errors.js';
import type { Manifest } from '../../src/domain/manifest.js';
import { createComposeStack } from '../../src/drivers/compose/stack.js';
import { createFileDisk } from '../../src/drivers/file-disk.js';
import { createHostStack } from '../../src/drivers/host/stack.js';
import { createPeerMachine } from '../../src/drivers/ssh/peer-machine.js';
import type { Database } from '../../src/ports/stack.js';
import { fetchProbe } from '../support/fetch-probe.js';
import { type HostHarness, makeHostHarness } from '../support/host-harness.js';
import { describePostgres, freePort } from '../support/postgres.js';
import { PROGRAMS } from '../support/postgres-tools.js';
import { describeSshd, Sshd } from '../support/sshd.js';
import { dump } from './stack-contract.js';

const never = new AbortController().signal;
const MARKER = { lineage: 'beans', epoch: 3, backup: null, served: true };
const TOOLS = ['psql', 'pg_dump', 'pg_restore'];
const RESTORES = ['restore', 'restore gently', 'restore of a large dump'];
const HELPERS = ['df', 'dd', 'install', 'nice', 'rm', 'stat'];

/** Rejections that nobody handled: one of them would end an agent that has no guard. */
const unhandled: unknown[] = [];
const note = (error: unknown) => unhandled.push(error);
beforeAll(() => void process.on('unhandledRejection', note));
afterAll(() => void process.off('unhandledRejection', note));
beforeEach(() => void unhandled.splice(0));
afterEach(async () => {
  await nextTurn();
  await nextTurn();
  expect(unhandled).toEqual([]);
});

/** What an operation ended with: undefined when it succeeded. */
const endOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

const expectClearError = (error: unknown): void => {
  expect(error).toBeInstanceOf(ColdspareError);
  const { code, remedy } = error as ColdspareError;
  expect(code).not.toBe('internal');
  expect(remedy).not.toBe('');
};

/** Every operation of a database that runs programs. */
const operationsOf = (
  database: Database,
  { manifest, content }: { manifest: Manifest; content: Buffer },
): Record<string, (signal: AbortSignal) => Promise<unknown>> => ({
  dump: (signal) => database.dump(new PassThrough().resume(), signal),
  restore: (signal) => database.restore(Readable.from([content]), manifest, signal),
  'restore gently': (signal) =>
    database.restore(Readable.from([content]), manifest, signal, { gently: true }),
  'restore of a large dump': (signal) =>
    database.restore(Readable.from([content]), { ...manifest, bytes: 9e6 }, signal),
  'restore of a plain dump': (signal) =>
    database.restore(Readable.from(['SELECT 1;']), { ...manifest, format: 'plain' }, signal),
  'restore of content that broke before it was read': (signal) => {
    const broken = new Readable({ read() {} });
    broken.destroy(new ColdspareError('peer-unreachable', 'the download cannot go on', 'again'));
    return database.restore(broken, manifest, signal);
  },
  live: () => database.live(),
  mark: () => database.mark(MARKER),
  inventory: () => database.inventory(),
  fingerprint: () => database.fingerprint(),
  answer: (signal) => database.answer('SELECT true', 1_000, signal),
  discard: () => database.discard(),
  swap: () => database.swap(MARKER, 'shop_old'),
  setAside: () => database.setAside('shop_old'),
  others: () => database.others(),
  freeze: () => database.freeze(),
  thaw: () => database.thaw(),
  writes: () => database.writes(),
  start: (signal) => database.start(signal),
  stop: (signal) => database.stop(signal),
});

describePostgres('a program that fails at its start fails the operation, not the agent', () => {
  let harness: HostHarness;
  let backup: { manifest: Manifest; content: Buffer };
  let folder: string;
  const path = process.env.PATH;
  beforeAll(async () => {
    harness = await makeHostHarness();
  });
  afterAll(() => harness?.cleanup());
  beforeEach(async () => {
    await harness.reset();
    folder = await mkdtemp(join(tmpdir(), 'programs-'));
    backup = await dump(harness.stack.database);
  });
  afterEach(async () => {
    process.env.PATH = path;
    await rm(folder, { recursive: true });
  });

  /** The installed tools, except `broken`, which is missing or exits with 1 at once. */
  const install = async (broken: string, way: 'is missing' | 'exits with 1') => {
    for (const tool of TOOLS.filter((name) => name !== broken))
      await symlink(join(`${PROGRAMS}`, tool), join(folder, tool));
    if (way === 'is missing') return;
    await writeFile(join(folder, broken), '#!/bin/sh\nexit 1\n');
    await chmod(join(folder, broken), 0o755);
  };
  const stack = () =>
    createHostStack({
      ...harness.options,
      programs: folder,
      spool: { folder, jobs: 2 },
      timeouts: { start: 100, stop: 5_000 },
    });

  const run = async (names: readonly string[]): Promise<Record<string, unknown>> => {
    const operations = operationsOf(stack().database, backup);
    const ends: Record<string, unknown> = {};
    for (const name of names)
      ends[name] = await endOf(operations[name]?.(never) ?? Promise.reject());
    for (const error of Object.values(ends)) if (error !== undefined) expectClearError(error);
    return ends;
  };

  describe.each(['is missing', 'exits with 1'] as const)('it %s', (way) => {
    test('psql', async () => {
      await install('psql', way);
      const needNoServer = ['start', 'stop'];
      const all = Object.keys(operationsOf(harness.stack.database, backup));
      const ends = await run(all);
      for (const name of all.filter((each) => !needNoServer.includes(each)))
        expect(ends, name).toHaveProperty([name], expect.any(ColdspareError));
    });

    test('pg_dump', async () => {
      await install('pg_dump', way);
      expect(await run(['dump'])).toEqual({ dump: expect.any(ColdspareError) });
    });

    test('pg_restore', async () => {
      await install('pg_restore', way);
      const ends = await run(RESTORES);
      for (const name of RESTORES) expect(ends[name], name).toBeInstanceOf(ColdspareError);
    });
  });

  test.each(HELPERS)('%s exits with 1', async (helper) => {
    const helpers = join(folder, 'helpers');
    await mkdir(helpers);
    await writeFile(join(helpers, helper), '#!/bin/sh\nexit 1\n');
    await chmod(join(helpers, helper), 0o755);
    await install('', 'is missing');
    process.env.PATH = `${helpers}:${path}`;
    const ends = await run(RESTORES);
    // Without a file or its removal a restore goes on; without `dd` or `nice` it cannot.
    const failing = { dd: 'restore of a large dump', nice: 'restore gently' }[helper];
    for (const name of RESTORES)
      expect(ends[name], name)[name === failing ? 'toBeInstanceOf' : 'toBe'](
        (name === failing ? ColdspareError : undefined) as never,
      );
  });

  test.each([
    ['before it starts', (abort: () => void) => abort()],
    ['as it starts', (abort: () => void) => void setImmediate(abort)],
    ['a moment later', (abort: () => void) => void setTimeout(abort, 30)],
  ])('an operation that is called off %s ends with the reason', async (_when, at) => {
    await install('', 'is missing');
    const operations = operationsOf(stack().database, backup);
    for (const name of ['dump', 'restore', 'restore of a large dump', 'answer']) {
      const calledOff = new AbortController();
      const reason = new ColdspareError('cancelled', 'it cannot go on: called off', 'repeat it');
      at(() => calledOff.abort(reason));
      const error = await endOf(operations[name]?.(calledOff.signal) ?? Promise.resolve());
      // What is quick may be done, or refused, by then.
      if (error !== reason && error !== undefined) expectClearError(error);
      if (name === 'dump') expect(error).toBe(reason);
    }
  });

  test('r01: pg_dump fails while the roles are still being read: the dump fails at once', async () => {
    await install('pg_dump', 'exits with 1');
    const locker = await harness.connect();
    await locker.query('BEGIN; LOCK TABLE pg_auth_members IN ACCESS EXCLUSIVE MODE');
    const sink = new PassThrough().resume();
    const error = await endOf(stack().database.dump(sink, never));
    expect(error).toMatchObject({ code: 'command-failed' });
    expect(sink.destroyed).toBe(true);
  });

  test('r01: a backup is called off while the roles are still being read', async () => {
    const locker = await harness.connect();
    await locker.query('BEGIN; LOCK TABLE pg_auth_members IN ACCESS EXCLUSIVE MODE');
    const calledOff = new AbortController();
    const reason = new ColdspareError('cancelled', 'called off', 'repeat it');
    const ended = endOf(harness.stack.database.dump(new PassThrough().resume(), calledOff.signal));
    await expect
      .poll(() =>
        harness.cluster.psql(
          "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'",
        ),
      )
      .toBe('1\n');
    calledOff.abort(reason);
    expect(await ended).toBe(reason);
  });

  test('r01: the disk under a backup breaks while the roles are still being read', async () => {
    const locker = await harness.connect();
    await locker.query('BEGIN; LOCK TABLE pg_auth_members IN ACCESS EXCLUSIVE MODE');
    const sink = new PassThrough();
    const ended = endOf(harness.stack.database.dump(sink, never));
    const full = new ColdspareError('disk-full', 'the disk is full', 'free space');
    sink.destroy(full);
    expect(await ended).toBe(full);
  });
});

describe('a command of the stack that fails at its start fails the operation', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'programs-'));
    await writeFile(join(directory, 'compose.yaml'), 'services: {}\n');
    await writeFile(join(directory, 'docker'), '#!/bin/sh\nexit 1\n');
    await chmod(join(directory, 'docker'), 0o755);
  });
  afterEach(() => rm(directory, { recursive: true }));

  const appOperations = (app: ReturnType<typeof createHostStack>['app']) => [
    () => app.start(never),
    () => app.stop(never),
    () => app.start(AbortSignal.abort(new ColdspareError('cancelled', 'cannot', 'repeat it'))),
    () => app.stop(AbortSignal.abort(new ColdspareError('cancelled', 'cannot', 'repeat it'))),
  ];
  const nothing = { manifest: {} as Manifest, content: Buffer.from('') };

  test.each(['no-such-docker', 'docker'])('compose: %s', async (program) => {
    const stack = createComposeStack({
      command: `${directory}/${program} compose`,
      directory,
      services: { database: 'db', app: ['app', 'worker'] },
      database: { host: '127.0.0.1', port: 1, user: 'postgres', name: 'shop' },
      appHealthUrl: 'http://127.0.0.1:1/',
      probe: fetchProbe,
      disk: createFileDisk(),
      overrideFile: join(directory, 'override.yml'),
      timeouts: { start: 100, stop: 5_000 },
    });
    for (const run of [
      ...appOperations(stack.app),
      ...Object.values(operationsOf(stack.database, nothing)).map(
        (operation) => () => operation(never),
      ),
      () => stack.app.isRunning(),
      () => stack.disarm?.() ?? Promise.resolve(),
    ])
      expectClearError(await endOf(run()));
  });

  test.each(['no-such-systemctl', 'docker'])('host: %s', async (program) => {
    const line = `${directory}/${program} start`;
    const port = await freePort();
    const stack = createHostStack({
      database: { host: '127.0.0.1', port, user: 'postgres', name: 'shop' },
      databaseCommands: { start: line, stop: line },
      appCommands: { start: line, stop: line },
      appHealthUrl: `http://127.0.0.1:${port}/`,
      probe: fetchProbe,
      log: join(directory, 'services.log'),
      timeouts: { start: 100, stop: 5_000 },
    });
    const errors = [];
    for (const run of [
      ...appOperations(stack.app),
      () => stack.database.start(never),
      () => stack.database.stop(never),
    ])
      errors.push(await endOf(run()));
    for (const error of errors) if (error !== undefined) expectClearError(error);
    // Stopping what does not run is a success, whatever the command says.
    expect(errors.filter((error) => error === undefined)).toHaveLength(2);
  });
});

describeSshd('a program of the other machine that fails at its start', () => {
  let sshd: Sshd;
  let harness: HostHarness;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'programs-'));
    sshd = await Sshd.start();
    harness = await makeHostHarness();
    await harness.reset();
    await symlink(join(`${PROGRAMS}`, 'psql'), join(folder, 'psql'));
  });
  afterAll(async () => {
    await harness?.cleanup();
    await sshd?.remove();
    await rm(folder, { recursive: true });
  });

  test('r01: pg_dump fails while rows are being counted over SSH: the rescue fails, the agent lives', async () => {
    // So many that the session has more to ask when it is closed.
    await harness.cluster.psql(
      `DO $$ BEGIN FOR n IN 1..150 LOOP EXECUTE format('CREATE TABLE t%s (id int)', n); END LOOP; END $$`,
      harness.name,
    );
    const { user, port, keyFile, hostKey } = sshd;
    const machine = createPeerMachine({
      ssh: { user, host: '127.0.0.1', port, keyFile, hostKey },
      database: harness.options.database,
      programs: folder,
      appStopCommand: 'true',
      probe: fetchProbe,
      timeouts: { start: 5_000, stop: 5_000 },
    });
    const error = await machine.reach(never, async ({ database }) => {
      const ended = await endOf(database.dump(new PassThrough().resume(), never));
      // Whoever is still counting asks once more, after the session is closed.
      await expect(database.answers()).resolves.toBe(true);
      return ended;
    });
    expect(error).toMatchObject({ code: expect.stringMatching(/^ssh-/) });
  });
});
