import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, type Pair, serves, standsBy, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

describePostgres('H32: the link breaks for a moment, and everybody goes on using VCL2', () => {
  let pair: Pair;
  beforeAll(async () => {
    pair = await startPair({
      env: { APP_RESTART_AFTER: '500ms' },
      vcl3: { MONITOR: 'on', WITNESS_URL: '' },
    });
  });
  afterAll(() => pair?.remove());

  const takeOverBehindACut = async (epoch: number): Promise<void> => {
    const { vcl2, vcl3, link } = pair;
    await vcl2.do('/backups');
    link.cut();
    await eventually(
      'VCL3 has taken over',
      async () => (await vcl3.lastOperation('promote', 'done'))?.result?.epoch === epoch,
    );
    await serves(vcl3);
    expect(await vcl2.write(`on VCL2 while VCL3 has epoch ${epoch}`)).toBe(true);
  };

  test('nobody used VCL3: it gives way, and every order stays in service', async () => {
    const { vcl2, vcl3, link } = pair;
    await takeOverBehindACut(2);

    link.heal();
    await eventually('VCL2 is the primary again', async () => {
      const { epoch, serving } = await vcl2.agent.status();
      return epoch === 3 && serving;
    });
    await serves(vcl2);
    await standsBy(vcl3);
    expect(await vcl2.entries()).toEqual(['SEED', 'on VCL2 while VCL3 has epoch 2']);
    expect(await vcl3.agent.status()).toMatchObject({ epoch: 3, role: 'standby' });
    expect(await vcl2.lastOperation('promote', 'done')).toMatchObject({
      command: { type: 'take-back' },
      result: { loss: expect.stringContaining('gave way, because nobody had written there') },
    });
    // Neither node had anything to keep aside.
    for (const machine of [vcl2, vcl3]) {
      await machine.database.start();
      expect((await machine.databaseNames()).join()).not.toContain('diverged');
    }
  });

  test('somebody used it, and a crash has reset what PostgreSQL counts: VCL3 goes on', async () => {
    const { vcl2, vcl3, link } = pair;
    await takeOverBehindACut(4);
    expect(await vcl3.write('on VCL3')).toBe(true);
    await vcl3.database.killHard();
    await eventually('VCL3 has its database back', () => vcl3.entries(), 20_000);
    await serves(vcl3);

    link.heal();
    await standsBy(vcl2);
    expect(await vcl3.agent.status()).toMatchObject({ epoch: 4, serving: true });
    expect(await vcl3.entries()).toContain('on VCL3');
    const asked = await vcl2.lastOperation('promote');
    expect(asked).toMatchObject({ command: { type: 'take-back' }, error: { code: 'superseded' } });
    const setAside = (await vcl2.lastOperation('stand-down'))?.steps.find(
      ({ name }) => name === 'set-aside',
    );
    expect(setAside?.detail).toContain('+1 rows in public.entries');
  });
});
