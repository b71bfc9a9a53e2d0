import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, vi } from 'vitest';
import { type Announcements, receiveAnnouncements } from '../support/announcements.js';
import { coffeeShop } from '../support/coffee-shop.js';
import {
  type ComposeMachine,
  type ComposePair,
  createComposePair,
  readApp,
  writeApp,
} from '../support/compose-pair.js';
import { DockerEngine, describeDocker } from '../support/docker-engine.js';
import { eventually, serves, standsBy } from '../support/pair.js';
import { drawnTests } from '../support/sample.js';
import { missingForVcl1, startVcl1, type Vcl1 } from '../support/vcl1.js';
import { revive } from '../support/watched-pair.js';

vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 });

const POLICY = '{{.HostConfig.RestartPolicy.Name}}';
const STARTED = '{{.Id}} {{.State.StartedAt}}';
/** Milliseconds for a whole failover or failback on a machine that is busy with other tests. */
const PATIENCE = 240_000;

/**
 * The coffee shop of DESIGN.md on two Docker engines, VCL2 and VCL3. Every story begins and ends with VCL2 as the
 * primary, with every order that was ever acknowledged; customers come through VCL1, a real nginx.
 */
describeDocker(
  'a coffee shop in Docker Compose',
  () => {
    const engines: DockerEngine[] = [];
    let told: Announcements;
    let pair: ComposePair;
    let vcl1: Vcl1;
    let vcl2: ComposeMachine;
    let vcl3: ComposeMachine;
    const acknowledged: number[] = [];

    beforeAll(async () => {
      told = await receiveAnnouncements();
      const [first, second] = await Promise.all([DockerEngine.start(), DockerEngine.start()]);
      engines.push(first, second);
      pair = await createComposePair({
        ...coffeeShop({ vcl2: first, vcl3: second }),
        env: { DB_NAME: 'coffee_dev', MONITOR: 'on', NOTIFY_URLS: told.url },
      });
      ({ vcl2, vcl3 } = pair);
      vcl1 = await startVcl1('nginx', pair);
    });
    afterAll(async () => {
      await vcl1?.close();
      await pair?.remove();
      await Promise.all(engines.map((engine) => engine.remove()));
      await told?.close();
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
      await serves(machine, PATIENCE);
      expect(await quantities(machine)).toEqual(acknowledged);
      const orders = `${vcl1.url}orders`;
      const seen = await eventually('VCL1 follows', () => readApp<{ quantity: number }[]>(orders));
      expect(seen.map(({ quantity }) => quantity)).toEqual(acknowledged);
    };

    const giveRoleBack = async (): Promise<void> => {
      await standsBy(vcl2, PATIENCE);
      await eventually(
        'the role is given back',
        async () => (await vcl3.run('/demote')).body.state === 'done',
        PATIENCE,
      );
      await hasEverything(vcl2);
    };

    // A story that failed half-way leaves the role where it was, and perhaps no agent.
    beforeEach(async () => {
      for (const machine of [vcl2, vcl3]) if (acknowledged.length > 0) await revive(machine);
      const status = await vcl3.agent.status().catch(() => undefined);
      if (status?.mode === 'primary') await giveRoleBack();
    });

    /** Back to VCL2, with an order that only VCL3 has seen. */
    const failBack = async (): Promise<void> => {
      const quantity = acknowledged.length + 1;
      await eventually('VCL1 sends a customer to VCL3', () =>
        writeApp(`${vcl1.url}order`, { coffeeId: 1, quantity }),
      );
      acknowledged.push(quantity);
      expect(await quantities(vcl3)).toEqual(acknowledged);
      await giveRoleBack();
      await standsBy(vcl3, PATIENCE);
      expect(await quantities(vcl3)).toBeUndefined();
    };

    // All of them in a soak.
    const { test } = drawnTests(0.4);
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
      const isTold = () => told.received.find(({ event }) => event === 'restart-policy');
      expect(await eventually('people are told', async () => isTold())).toMatchObject({
        message: expect.stringMatching(/vcl2: .*coffee_app.* had a restart policy/),
      });
      await vcl2.do('/backups');
    });

    test('"docker compose down" on VCL2: VCL3 takes over with every order, and gives everything back', async () => {
      await order(vcl2);
      await vcl2.project.compose('down', '--timeout', '2');
      await serves(vcl3, PATIENCE);
      expect(await quantities(vcl3)).toEqual(acknowledged);
      expect((await vcl3.lastOperation('promote', 'done'))?.result).toMatchObject({
        loss: expect.stringContaining('nothing is lost'),
      });
      await failBack();
    });

    test('"docker kill" of the database: the app is up and useless, VCL3 takes over, and no order is lost', async () => {
      await order(vcl2);
      await vcl2.project.engine.docker('kill', 'coffee_db');
      await serves(vcl3, PATIENCE);
      expect(await quantities(vcl3)).toEqual(acknowledged);
      await failBack();
    });

    test('SIGKILL of the agent: customers notice nothing, VCL3 stays a standby, the new agent leaves the app alone', async () => {
      const started = await vcl2.project.inspect('app', STARTED);
      await vcl2.agent.kill();
      await order(vcl2);
      await eventually('VCL3 has looked several times', async () => {
        const { peer } = await vcl3.agent.status();
        return !peer.reachable;
      });
      await order(vcl2);
      expect(await vcl3.agent.status()).toMatchObject({ mode: 'standby' });
      await vcl2.agent.start();
      await hasEverything(vcl2);
      expect(await vcl2.project.inspect('app', STARTED)).toBe(started);
      expect(await quantities(vcl3)).toBeUndefined();
    });

    test('h08: VCL2 reboots after an outage, and its engine starts the stale app', async () => {
      await vcl2.do('/backups');
      await vcl2.agent.kill();
      // Whoever makes its containers anew without the agent brings the restart policies back.
      await vcl2.project.compose('up', '--detach', '--force-recreate');
      expect(await vcl2.project.inspect('app', POLICY)).toBe('unless-stopped');
      await vcl2.project.engine.shutDown();
      await serves(vcl3, PATIENCE);
      await order(vcl3);

      await vcl2.project.engine.boot();
      const stale = await eventually('the stale app answers', () => quantities(vcl2));
      expect(stale).toEqual(acknowledged.slice(0, -1));
      expect(await vcl2.isPrimary()).toBe(false);
      await vcl2.agent.start();
      await eventually(
        'the stale app is stopped',
        async () => (await quantities(vcl2)) === undefined,
      );
      await standsBy(vcl2, PATIENCE);
      expect(await vcl2.isPrimary()).toBe(false);
      await eventually(
        'nothing would start it again',
        async () => {
          return (await vcl2.project.inspect('app', POLICY)) === 'no';
        },
        PATIENCE,
      );
      await vcl2.project.engine.shutDown();
      await vcl2.project.engine.boot();
      expect(await vcl2.project.compose('ps', '--quiet')).toBe('');
      expect(await ordersKept(vcl2)).toBe(stale.length);
      expect(await quantities(vcl3)).toEqual(acknowledged);
      await failBack();
    });

    test('a plain "docker compose up" on the standby: the guard stops it, and nobody is sent there', async () => {
      const watch = watchPrimary(vcl3);
      // The app dies at once on a database that takes no writes, so it is seen only while the engine starts it again and
      // again: until the restart policies are taken away, which happens every 30 s, and has happened just now.
      await vcl3.project.compose('up', '--no-start', '--force-recreate');
      await eventually(
        'its restart policies are taken away',
        async () => (await vcl3.project.inspect('app', POLICY)) === 'no',
        PATIENCE,
      );
      await vcl3.project.compose('up', '--detach', '--wait', '--force-recreate').catch(() => {
        // The guard may be faster than the health checks.
      });
      await eventually('the app is stopped', async () => {
        const app = await vcl3.project.inspect('app', '{{.State.Status}}');
        return app === 'exited' && (await quantities(vcl3)) === undefined;
      });
      await standsBy(vcl3, PATIENCE);
      await eventually('its database is stopped', async () => {
        return (await vcl3.project.compose('ps', '--quiet')) === '';
      });
      expect((await vcl3.lastOperation('boot', 'done'))?.reason).toBe(
        'the app was started by somebody else',
      );
      expect(await watch.stop()).toEqual([]);
      await order(vcl2);
      await hasEverything(vcl2);
    });

    test('a deploy builds a new image on both machines: each runs it from its next start on', async () => {
      for (const { project } of [vcl2, vcl3])
        await project.compose('build', '--quiet', '--build-arg', 'VERSION=2', 'app');
      expect(await versionOf(vcl2)).toBe('1');
      await vcl2.do('/demote');
      await hasEverything(vcl3);
      expect(await versionOf(vcl3)).toBe('2');
      await failBack();
      expect(await versionOf(vcl2)).toBe('2');
    });

    test('h16: "docker compose down -v" and "up" on VCL2: nobody is served seeds, VCL3 takes over', async () => {
      await vcl2.do('/backups');
      await vcl2.project.compose('down', '--volumes', '--timeout', '2');
      // It waits for the database's health, and fails when VCL3 has taken over by then: VCL2's agent stops the database.
      await vcl2.project.compose('up', '--detach').catch(() => {});
      await serves(vcl3, PATIENCE);
      expect(await quantities(vcl3)).toEqual(acknowledged);
      expect(await quantities(vcl2)).toBeUndefined();
      await failBack();
    });

    /** How many orders a person finds in the database that was set aside there, as the manual says. */
    const ordersKept = async ({ project, agent }: ComposeMachine): Promise<number> => {
      const { message } = told.received.findLast(({ event }) => event === 'superseded') ?? {};
      const name = /kept as (\w+)/.exec(message ?? '')?.[1] ?? '';
      expect(message).toMatch(agent.name);
      await project.compose('start', 'db');
      const sql = ['-c', 'SELECT count(*) FROM orders', name];
      const count = await eventually('the database answers', () =>
        project.exec('db', ['psql', '-U', 'postgres', '-qtA', ...sql]),
      );
      await project.compose('stop', 'db');
      return Number(count);
    };

    const versionOf = async (machine: ComposeMachine): Promise<string | null> =>
      (await fetch(`${machine.appUrl}/coffees`)).headers.get('x-version');
  },
  missingForVcl1('nginx'),
);

/** Notes every moment at which this machine calls itself the primary, until it is stopped. */
const watchPrimary = (machine: ComposeMachine) => {
  const seen: string[] = [];
  let isWatching = true;
  const loop = (async () => {
    while (isWatching) {
      if (await machine.isPrimary()) seen.push(new Date().toISOString());
      await pause(50);
    }
  })();
  return {
    stop: async () => {
      isWatching = false;
      await loop;
      return seen;
    },
  };
};
