import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import {
  type ComposeMachine,
  type ComposePair,
  createComposePair,
} from '../support/compose-pair.js';
import { ComposeProject } from '../support/compose-project.js';
import { DockerEngine, describeDocker } from '../support/docker-engine.js';
import { eventually, serves, standsBy } from '../support/pair.js';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 300_000 });

const POLICY = '{{.HostConfig.RestartPolicy.Name}}';
const STARTED = '{{.Id}} {{.State.StartedAt}}';
/** Milliseconds for a whole failover or failback on a machine that is busy with other tests. */
const PATIENCE = 120_000;

/**
 * The coffee shop of DESIGN.md on two Docker engines, VCL2 and VCL3. Every story begins and ends with VCL2 as the
 * primary, with every order that was ever acknowledged.
 */
describeDocker('a coffee shop in Docker Compose', () => {
  const engines: DockerEngine[] = [];
  let pair: ComposePair;
  let vcl2: ComposeMachine;
  let vcl3: ComposeMachine;
  const acknowledged: number[] = [];

  beforeAll(async () => {
    engines.push(...(await Promise.all([DockerEngine.start(), DockerEngine.start()])));
    pair = await createComposePair({
      createProject: async (name, directory, appPort) => {
        const engine = engines[name === 'vcl2' ? 0 : 1] as DockerEngine;
        const env = { APP_PORT: appPort, DB_PASSWORD: 'flat-white-7' };
        const project = await ComposeProject.create('coffee', directory, engine, env);
        await project.compose('build', '--quiet', 'app');
        return project;
      },
      healthPath: '/coffees',
      env: { DB_NAME: 'coffee_dev', MONITOR: 'on' },
    });
    ({ vcl2, vcl3 } = pair);
  });
  afterAll(async () => {
    await pair?.remove();
    await Promise.all(engines.map((engine) => engine.remove()));
  });

  const quantities = async (machine: ComposeMachine): Promise<number[] | undefined> =>
    (await machine.read<{ quantity: number }[]>('/orders'))?.map(({ quantity }) => quantity);

  /** A customer's order, which has to be acknowledged. */
  const order = async (machine: ComposeMachine): Promise<void> => {
    const quantity = acknowledged.length + 1;
    expect(await machine.post('/order', { coffeeId: 1, quantity })).toBe(true);
    acknowledged.push(quantity);
  };

  const hasEverything = async (machine: ComposeMachine): Promise<void> => {
    await serves(machine);
    expect(await quantities(machine)).toEqual(acknowledged);
  };

  const takesOver = (machine: ComposeMachine): Promise<unknown> =>
    eventually(
      `${machine.agent.name} takes over by itself`,
      async () => {
        const { serving, operation } = await machine.agent.status();
        return serving && operation === null;
      },
      PATIENCE,
    );

  /** Back to VCL2, with an order that only VCL3 has seen. */
  const failBack = async (): Promise<void> => {
    await order(vcl3);
    await eventually(
      'VCL2 is a standby with nothing to do',
      async () => {
        const { mode, operation } = await vcl2.agent.status();
        return mode === 'standby' && operation === null;
      },
      PATIENCE,
    );
    await eventually(
      'the role is given back',
      async () => (await vcl3.run('/demote')).body.state === 'done',
      PATIENCE,
    );
    await hasEverything(vcl2);
    await standsBy(vcl3);
    expect(await quantities(vcl3)).toBeUndefined();
  };

  test('the agents are installed on a shop that runs already, and take its restart policies away', async () => {
    await vcl2.project.compose('up', '--detach');
    await eventually('the shop is open', () => quantities(vcl2));
    await order(vcl2);
    const started = await vcl2.project.inspect('app', STARTED);
    await Promise.all([vcl2.agent.start(), vcl3.agent.start()]);
    await hasEverything(vcl2);
    await eventually('no container would start by itself', async () => {
      const policies = [
        await vcl2.project.inspect('db', POLICY),
        await vcl2.project.inspect('app', POLICY),
      ];
      return policies.every((policy) => policy === 'no');
    });
    expect(await vcl2.project.inspect('app', STARTED)).toBe(started);
    expect(await vcl3.project.compose('ps', '--all', '--quiet')).toBe('');
    await vcl2.do('/backups');
  });

  test('"docker compose down" on VCL2: VCL3 takes over with every order, and gives everything back', async () => {
    await order(vcl2);
    await vcl2.project.compose('down', '--timeout', '2');
    await takesOver(vcl3);
    expect(await quantities(vcl3)).toEqual(acknowledged);
    expect((await vcl3.lastOperation('promote', 'done'))?.result).toMatchObject({
      loss: expect.stringContaining('nothing is lost'),
    });
    await failBack();
  });
});
