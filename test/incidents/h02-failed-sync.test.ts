import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Pair, serves, standsBy, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

describePostgres('H02: the sync back to VCL2 fails', () => {
  let pair: Pair;
  beforeAll(async () => {
    pair = await startPair();
    const { vcl2, vcl3 } = pair;
    await vcl2.write('before the outage');
    await vcl2.breakApp();
    await vcl3.do('/promote');
    await vcl3.write('during the outage');
    await vcl2.mendApp();
    await standsBy(vcl2);
  });
  afterAll(() => pair?.remove());
  const all = ['SEED', 'before the outage', 'during the outage'];

  test.each([
    ['the copy cannot be written down', 'receive.write'],
    ['the copy cannot be committed', 'receive.commit'],
    ['the restore fails', 'promote.restore'],
    ['the restored data cannot be proven', 'promote.verify'],
    ['the restored data cannot be swapped in', 'promote.swap'],
  ])('%s: VCL3 goes on serving what was written meanwhile', async (_, label) => {
    const { vcl2, vcl3 } = pair;
    await vcl2.inject([{ label, moment: 'before', action: 'fail' }]);

    await vcl3.run('/demote');

    expect(await vcl2.hits()).toEqual([`${label} before fail`]);
    expect(await vcl3.lastOperation('handover')).toMatchObject({ state: 'rolled-back' });
    expect(await vcl3.entries()).toEqual(all);
    expect(await vcl2.entries()).toBeUndefined();
    expect(await vcl2.agent.status()).toMatchObject({ mode: 'standby' });
    expect(await vcl3.agent.status()).toMatchObject({ mode: 'primary', serving: true });
  });

  test('VCL3 stops once VCL2 has proved that it serves the same', async () => {
    const { vcl2, vcl3 } = pair;
    await vcl2.inject([]);
    await vcl3.do('/demote');
    await serves(vcl2);
    expect(await vcl2.entries()).toEqual(all);
    expect(await vcl3.entries()).toBeUndefined();
  });
});
