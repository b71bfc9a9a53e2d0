import { afterEach, expect, test } from 'vitest';
import { type Pair, serves, standsBy, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

describePostgres('H11: the failback breaks half-way, and the next failover comes', () => {
  let pair: Pair;
  afterEach(() => pair?.remove());
  const all = ['SEED', 'before the outage', 'during the outage'];

  /** Names of the databases of VCL3 with what their ledgers hold. */
  const copiesOnVcl3 = async (): Promise<Record<string, string[]>> => {
    const { database } = pair.vcl3;
    await database.start();
    const names = await database.psql(
      "SELECT datname FROM pg_database WHERE datname LIKE 'ledger%' ORDER BY 1",
    );
    const copies: Record<string, string[]> = {};
    for (const name of names.trim().split('\n')) {
      const rows = await database.psql('SELECT text FROM entries ORDER BY id', name);
      copies[name] = rows.trim().split('\n');
    }
    return copies;
  };

  test("VCL3's last good copy is there until its successor is proven", async () => {
    pair = await startPair();
    const { vcl2, vcl3 } = pair;
    await vcl2.write('before the outage');
    await vcl2.breakApp();
    await vcl3.do('/promote');
    await vcl3.write('during the outage');
    await standsBy(vcl2);

    // VCL2 breaks when it has replaced its database: VCL3 goes on.
    await vcl2.inject([{ label: 'promote.swap', moment: 'after', action: 'fail' }]);
    await vcl3.run('/demote');
    expect(await vcl2.hits()).toHaveLength(1);
    await serves(vcl3);
    expect(await vcl3.entries()).toEqual(all);

    // VCL2 has taken over, and its app does not come up: VCL3 is stopped, with its copy as it was.
    const given = await vcl3.run('/demote');
    expect(given.body).toMatchObject({ code: 'app-failed' });
    expect(await vcl2.agent.status()).toMatchObject({ mode: 'primary', serving: false });
    await standsBy(vcl3);
    expect(await copiesOnVcl3()).toEqual({ ledger: all });

    // The next failover breaks where the old scripts had dropped that copy already.
    await vcl2.losePower();
    for (const label of ['promote.restore', 'promote.verify', 'promote.swap']) {
      await vcl3.inject([{ label, moment: 'before', action: 'fail' }]);
      await vcl3.run('/promote');
      expect(await vcl3.hits()).toHaveLength(1);
      expect(await copiesOnVcl3()).toEqual({ ledger: all });
    }

    // It is replaced once the successor is proven, and kept even then.
    await vcl3.inject([]);
    const { result } = await vcl3.do('/promote');
    expect(await vcl3.entries()).toEqual(all);
    expect(await copiesOnVcl3()).toEqual({ ledger: all, [String(result?.replacedDatabase)]: all });
  });
});
