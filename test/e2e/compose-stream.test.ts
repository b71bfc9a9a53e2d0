import { afterAll, beforeAll, expect, vi } from 'vitest';
import { coffeeShop } from '../support/coffee-shop.js';
import {
  type ComposeMachine,
  type ComposePair,
  createComposePair,
} from '../support/compose-pair.js';
import { DockerEngine, describeDocker } from '../support/docker-engine.js';
import { eventually, serves } from '../support/pair.js';
import { drawnTests } from '../support/sample.js';
import { replicationOf, streams as waitForStream } from '../support/stream-pair.js';

vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });

/** Milliseconds on a machine that is busy with other tests. */
const PATIENCE = 240_000;
const STARTED = '{{.Id}} {{.State.StartedAt}}';

/** The coffee shop of DESIGN.md on two Docker engines, unmodified, with REPLICATION=stream. */
describeDocker('a coffee shop in Docker Compose whose standby is kept by streaming', () => {
  const engines: DockerEngine[] = [];
  let pair: ComposePair;
  let vcl2: ComposeMachine;
  let vcl3: ComposeMachine;
  const acknowledged: number[] = [];

  beforeAll(async () => {
    const [first, second] = await Promise.all([DockerEngine.start(), DockerEngine.start()]);
    engines.push(first, second);
    const shop = coffeeShop({ vcl2: first, vcl3: second });
    pair = await createComposePair({ ...shop, env: { DB_NAME: 'coffee_dev' } });
    ({ vcl2, vcl3 } = pair);
  });
  afterAll(async () => {
    await pair?.remove();
    await Promise.all(engines.map((engine) => engine.remove()));
  });

  const order = async (machine: ComposeMachine): Promise<void> => {
    const quantity = acknowledged.length + 1;
    expect(await machine.post('/order', { coffeeId: 1, quantity })).toBe(true);
    acknowledged.push(quantity);
  };
  const quantities = async (machine: ComposeMachine): Promise<number[] | undefined> =>
    (await machine.read<{ quantity: number }[]>('/orders'))?.map(({ quantity }) => quantity);
  const hasEverything = async (machine: ComposeMachine): Promise<void> => {
    await serves(machine, PATIENCE);
    expect(await quantities(machine)).toEqual(acknowledged);
  };
  const streams = (machine: ComposeMachine) => waitForStream(machine, PATIENCE);
  /** Waits until the replica has the last order. */
  const hasReplayed = (machine: ComposeMachine): Promise<unknown> =>
    eventually(`${machine.agent.name} has replayed the last order`, async () => {
      const sql = ['-c', 'SELECT max(quantity) FROM orders', 'coffee_dev'];
      const most = await machine.project.exec('db', ['psql', '-U', 'postgres', '-qtA', ...sql]);
      return Number(most) === acknowledged.length;
    });
  const seedWay = async (machine: ComposeMachine): Promise<unknown> =>
    (await machine.lastOperation('seed', 'done'))?.result?.way;
  const leftovers = ({ project }: ComposeMachine): Promise<string> =>
    project.engine.docker('ps', '--all', '--quiet', '--filter', 'name=coldspare-files');

  // All of them in a soak. Each begins and ends with VCL2 as the primary, and VCL3 as its replica.
  const { test } = drawnTests(0.3);
  test('a pair on dumps is turned to streaming: nothing that serves is restarted', async () => {
    await vcl2.project.compose('up', '--detach');
    await eventually('the shop is open', () => quantities(vcl2));
    await order(vcl2);
    await Promise.all([vcl2.agent.start(), vcl3.agent.start()]);
    await hasEverything(vcl2);
    await vcl2.do('/backups');
    const started = [
      await vcl2.project.inspect('app', STARTED),
      await vcl2.project.inspect('db', STARTED),
    ];

    for (const { agent } of [vcl3, vcl2]) {
      await agent.stop();
      await agent.start({ REPLICATION: 'stream' });
    }
    await streams(vcl3);
    expect(await seedWay(vcl3)).toBe('copy');
    await order(vcl2);
    await hasReplayed(vcl3);
    expect(await quantities(vcl3)).toBeUndefined();
    expect([
      await vcl2.project.inspect('app', STARTED),
      await vcl2.project.inspect('db', STARTED),
    ]).toEqual(started);
    expect(await replicationOf(vcl3)).toMatchObject({ line: 'replica', broken: null });
    await eventually('nothing is left', async () => (await leftovers(vcl3)) === '');
  });

  test('a handover loses nothing and takes no dump, and the old primary follows without a copy', async () => {
    await vcl2.do('/demote');
    await hasEverything(vcl3);
    const handover = await vcl2.lastOperation('handover', 'done');
    expect(handover?.steps.map(({ name }) => name)).not.toContain('final-dump');
    await order(vcl3);
    await streams(vcl2);
    await hasReplayed(vcl2);
    expect(await seedWay(vcl2)).toBe('follow');
    await vcl3.do('/demote');
    await hasEverything(vcl2);
    await streams(vcl3);
    expect(await seedWay(vcl3)).toBe('follow');
  });

  test('the machine is lost: the replica takes over, and the machine that returns follows', async () => {
    await order(vcl2);
    await hasReplayed(vcl3);
    await vcl2.agent.kill();
    await vcl2.project.engine.losePower();
    const promoted = await vcl3.do('/promote', { force: true });
    expect(promoted.result).toMatchObject({ backup: null });
    await hasEverything(vcl3);
    await order(vcl3);

    await vcl2.project.engine.boot();
    await vcl2.agent.start({ REPLICATION: 'stream' });
    await streams(vcl2);
    await hasReplayed(vcl2);
    expect(await quantities(vcl2)).toBeUndefined();
    await vcl3.do('/demote');
    await hasEverything(vcl2);
    await streams(vcl3);
  });

  test('"docker compose down" on the standby: it follows again, in new containers', async () => {
    await vcl3.project.compose('down', '--timeout', '2');
    await order(vcl2);
    await streams(vcl3);
    await hasReplayed(vcl3);
  });

  test('a plain "docker compose up" of the standby’s database: it follows again', async () => {
    await vcl3.project.compose('up', '--detach', '--force-recreate', 'db');
    await order(vcl2);
    await streams(vcl3);
    await hasReplayed(vcl3);
  });

  test('the volume of the standby is gone, and its agent is killed while it copies: nobody is served seeds', async () => {
    await eventually('nothing works on the volume', async () => (await leftovers(vcl3)) === '');
    await vcl3.project.compose('down', '--volumes', '--timeout', '2');
    await order(vcl2);
    await eventually(
      'it is copied anew',
      async () => {
        const { operation } = await vcl3.agent.status();
        return operation?.kind === 'seed' && operation.steps.at(-1)?.name === 'copy';
      },
      PATIENCE,
    );
    await vcl3.agent.kill();
    await eventually('nothing is left of its work', async () => (await leftovers(vcl3)) === '');
    await vcl3.agent.start({ REPLICATION: 'stream' });
    await streams(vcl3);
    await hasReplayed(vcl3);
    expect(await seedWay(vcl3)).toBe('copy');
    await eventually('nothing is left', async () => (await leftovers(vcl3)) === '');
  });

  test('off, as the manual says: backups keep the standby again, and a takeover goes by one', async () => {
    const psql = ({ project }: ComposeMachine, sql: string) =>
      project.exec('db', ['psql', '-U', 'postgres', '-c', sql]);
    await vcl3.agent.stop();
    await psql(vcl3, 'SELECT pg_promote()');
    await vcl3.agent.start();
    await vcl2.agent.stop();
    await vcl2.agent.start();
    await hasEverything(vcl2);
    await psql(vcl2, `SELECT pg_drop_replication_slot('coldspare')`);
    await order(vcl2);
    const { result } = await vcl2.do('/backups');

    await vcl2.agent.kill();
    await vcl2.project.engine.losePower();
    const promoted = await vcl3.do('/promote', { force: true });
    expect(promoted.result?.backup).toBe(result?.backup);
    await hasEverything(vcl3);
  });
});
