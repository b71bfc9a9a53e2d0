import { afterEach, expect, test } from 'vitest';
import {
  eventually,
  type Machine,
  type Pair,
  serves,
  standsBy,
  startPair,
} from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

describePostgres('H22: the same tunnel runs on both servers and spreads the traffic', () => {
  let pair: Pair;
  afterEach(() => pair?.remove());

  /** Each end of the tunnel sends its share to the app beside it. */
  const spread = async ({ vcl2, vcl3 }: Pair, orders: number) => {
    const taken: Record<string, number> = { vcl2: 0, vcl3: 0 };
    for (let order = 0; order < orders; order += 1) {
      const machine: Machine = order % 2 === 0 ? vcl2 : vcl3;
      if (await machine.write(`order ${order}`))
        taken[machine.agent.name] = (taken[machine.agent.name] ?? 0) + 1;
    }
    return taken;
  };

  test('the app of the standby does not run: not one order goes astray', async () => {
    pair = await startPair();
    const { vcl2, vcl3 } = pair;
    await standsBy(vcl3);
    expect(await spread(pair, 10)).toEqual({ vcl2: 5, vcl3: 0 });

    // The role changes, the tunnels stay.
    expect((await vcl2.run('/demote')).body).toMatchObject({ state: 'done' });
    await serves(vcl3);
    expect(await spread(pair, 10)).toEqual({ vcl2: 0, vcl3: 5 });
    expect(await vcl3.entries()).toHaveLength(11);

    // A unit file starts the app of VCL2 along with its tunnel, on a database of its own.
    await vcl2.database.start();
    await vcl2.database.psql('DROP DATABASE ledger');
    await vcl2.database.psql('CREATE DATABASE ledger');
    await vcl2.startAppByOthers();
    await eventually('the guard has stopped it', async () => {
      const boot = await vcl2.lastOperation('boot');
      return boot?.reason === 'the app was started by somebody else';
    });
    expect(await spread(pair, 10)).toEqual({ vcl2: 0, vcl3: 5 });
  });
});
