import { afterEach, expect, test } from 'vitest';
import { eventually, type Machine, type Pair, standsBy, startPair } from '../support/pair.js';
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
    expect(await spread(pair, 10)).toEqual({ vcl2: 0, vcl3: 5 });
    expect(await vcl3.entries()).toHaveLength(11);

    // Its unit file starts the app along with it. What VCL2 has is frozen, and the guard is at work.
    await vcl2.database.start();
    await vcl2.startAppByOthers();
    expect(await spread(pair, 20)).toEqual({ vcl2: 0, vcl3: 10 });
    await eventually('VCL2 is stopped again', async () => !(await vcl2.entries()));
    expect(await vcl3.entries()).toHaveLength(21);
  });
});
