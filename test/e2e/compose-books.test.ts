import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import {
  type ComposeMachine,
  type ComposePair,
  createComposePair,
} from '../support/compose-pair.js';
import { ComposeProject } from '../support/compose-project.js';
import { DockerEngine, describeDocker } from '../support/docker-engine.js';
import { eventually, serves, standsBy } from '../support/pair.js';
import { describeSshd, Sshd } from '../support/sshd.js';

vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });

/** Milliseconds for a whole failover on a machine that is busy with other tests. */
const PATIENCE = 240_000;
const PASSWORD = 'p@ss: w/rd#7';

/** A compose project that knows nothing of ours: all that is done for it is environment variables. */
const tests = () => {
  let engine: DockerEngine;
  let sshd: Sshd;
  let pair: ComposePair;
  let vcl2: ComposeMachine;
  let vcl3: ComposeMachine;

  beforeAll(async () => {
    [engine, sshd] = await Promise.all([DockerEngine.start(), Sshd.start()]);
    const ledger = await readFile('test/apps/ledger.mjs', 'utf8');
    pair = await createComposePair({
      createProject: (name, directory, port) => {
        const env = { BOOKS: name, WEB_PORT: port, BOOKKEEPER_PASSWORD: `'${PASSWORD}'` };
        return ComposeProject.create('books', directory, engine, env, { 'ledger.mjs': ledger });
      },
      healthPath: '/',
      env: {
        MONITOR: 'on',
        // What runs over SSH has no environment of ours.
        COMPOSE_COMMAND: `docker --host ${engine.env.DOCKER_HOST} compose`,
        DB_SERVICE: 'postgres-main',
        APP_SERVICE: 'web worker',
        DB_NAME: 'books',
        DB_USER: 'bookkeeper',
        DB_PASSWORD: PASSWORD,
      },
    });
    ({ vcl2, vcl3 } = pair);
  });
  afterAll(async () => {
    await pair?.remove();
    await sshd?.remove();
    await engine?.remove();
  });

  const entries = async (machine: ComposeMachine): Promise<string[] | undefined> =>
    (await machine.read<{ text: string }[]>('/'))?.map(({ text }) => text);
  const running = async ({ project }: ComposeMachine): Promise<string[]> =>
    (await project.compose('ps', '--services')).trim().split('\n').sort();
  const everything = ['cache', 'postgres-main', 'web', 'worker'];

  test('its agent dies and its app crashes: VCL3 fences it over SSH, with every write, and hands it back', async () => {
    await vcl2.project.compose('up', '--detach');
    expect(await eventually('the books are open', () => entries(vcl2))).toEqual(['SEED']);
    const overSsh = {
      PEER_SSH: `${sshd.user}@127.0.0.1:${sshd.port}`,
      PEER_SSH_KEY: sshd.keyFile,
      PEER_SSH_HOST_KEY: sshd.hostKey,
      PEER_COMPOSE_PROJECT_DIR: vcl2.project.directory,
    };
    await Promise.all([vcl2.agent.start(), vcl3.agent.start(overSsh)]);
    await serves(vcl2, PATIENCE);
    expect(await vcl2.post('/', { text: 'in the backup' })).toBe(true);
    await vcl2.do('/backups');
    expect(await vcl2.post('/', { text: 'after the backup' })).toBe(true);

    await vcl2.agent.kill();
    await vcl2.project.compose('kill', 'web');
    const taken = await eventually(
      'VCL3 takes over by itself',
      () => vcl3.lastOperation('promote', 'done'),
      PATIENCE,
    );
    const written = ['SEED', 'in the backup', 'after the backup'];
    expect(await entries(vcl3)).toEqual(written);
    expect(taken.result).toMatchObject({
      fenced: 'fenced-by-ssh',
      loss: expect.stringContaining('nothing is lost'),
    });
    expect(await running(vcl3)).toEqual(everything);
    // The worker would have gone on; the cache is none of ours.
    expect(await running(vcl2)).toEqual(['cache']);

    await vcl2.agent.start();
    await standsBy(vcl2, PATIENCE);
    expect(await vcl3.post('/', { text: 'during the outage' })).toBe(true);
    await eventually(
      'the role is given back',
      async () => (await vcl3.run('/demote')).body.state === 'done',
      PATIENCE,
    );
    await serves(vcl2, PATIENCE);
    expect(await entries(vcl2)).toEqual([...written, 'during the outage']);
    expect(await running(vcl2)).toEqual(everything);
    await standsBy(vcl3, PATIENCE);
    expect(await running(vcl3)).toEqual(['cache']);
  });
};

describeDocker('a compose project that was made by somebody else', () =>
  describeSshd('over SSH', tests),
);
