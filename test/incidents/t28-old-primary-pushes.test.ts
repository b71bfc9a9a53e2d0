import { afterEach, expect, test } from 'vitest';
import { eventually, type Pair, standsBy, startPair, TOKENS } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

describePostgres('T28: the old primary comes back and pushes while VCL3 is active', () => {
  let pair: Pair;
  afterEach(() => pair?.remove());

  test('it is refused, and learns from that: VCL2 becomes a standby by itself', async () => {
    // Neither looks at the other by itself: the answer to the push is the first that VCL2 hears.
    pair = await startPair({ env: { CHECK_INTERVAL: '1h' } });
    const { vcl2, vcl3, link } = pair;
    await vcl2.write('an order');
    await vcl2.run('/backups');
    link.cut();
    await vcl3.run('/promote');
    // What PostgreSQL has counted keeps VCL3 from being asked to give way (H32).
    const inserted = () =>
      vcl3.database.psql('SELECT sum(n_tup_ins) FROM pg_stat_user_tables', 'ledger');
    const restored = await inserted();
    await vcl3.write('on VCL3');
    await eventually('the write is counted', async () => (await inserted()) !== restored);
    const backupsOfVcl3 = async () => (await vcl3.agent.get('/backups', TOKENS.admin)).body;
    const before = await backupsOfVcl3();
    await vcl2.write('only on VCL2');

    const { body: backup } = await vcl2.agent.post<{ id: string }>('/backups');
    await eventually('VCL2 has its dump and cannot send it', async () => {
      const { steps } = await vcl2.agent.operation(backup.id);
      return steps.at(-1)?.name === 'push';
    });
    link.heal();

    await standsBy(vcl2);
    expect(await vcl2.agent.operation(backup.id)).toMatchObject({
      kind: 'backup',
      state: 'rolled-back',
    });
    expect(await vcl2.agent.status()).toMatchObject({ mode: 'standby', epoch: 2, serving: false });
    expect(await vcl2.entries()).toBeUndefined();
    expect(await vcl2.lastOperation('stand-down')).toMatchObject({
      state: 'done',
      steps: expect.arrayContaining([
        expect.objectContaining({
          name: 'set-aside',
          detail: expect.stringMatching(
            /kept as ledger_diverged_\d{8}_\d{6}: .* \+1 rows in public\.entries/,
          ),
        }),
      ]),
    });
    expect(await backupsOfVcl3()).toEqual(before);
    expect(await vcl3.agent.status()).toMatchObject({ mode: 'primary', epoch: 2, serving: true });
    expect(await vcl3.entries()).toEqual(['SEED', 'an order', 'on VCL3']);
  });
});
