import { afterEach, beforeEach, expect, test } from 'vitest';
import { unpackLastRelease } from '../support/last-release/last-release.js';
import {
  eventually,
  type Machine,
  type Pair,
  serves,
  standsBy,
  startPair,
  TOKENS,
} from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

describePostgres('H58: VCL2 fails while only one of the agents has been upgraded', () => {
  let pair: Pair;
  beforeEach(async () => {
    pair = await startPair({ start: false, env: { PREPARE: 'on-receive' } });
  });
  afterEach(() => pair?.remove());

  test('the last release and this one back up, fence, take over and hand over, both ways, and go back', async () => {
    const { vcl2, vcl3 } = pair;
    const today = vcl2.agent.main;
    const before = unpackLastRelease();
    const restart = async ({ agent }: Machine, main: string) => {
      await agent.stop();
      agent.main = main;
      await agent.start();
    };
    const isCurrent = () =>
      eventually('VCL3 has the newest backup', async () => {
        const { prepared, latestBackup } = await vcl3.agent.status();
        return prepared !== null && prepared === latestBackup?.id;
      });

    // The standby is upgraded first.
    vcl2.agent.main = before;
    await Promise.all([vcl2.agent.start(), vcl3.agent.start()]);
    await serves(vcl2);
    await vcl2.write('with the old primary');
    await vcl2.do('/backups');
    await isCurrent();
    await vcl2.write('rescued');
    await vcl2.breakApp();
    const { result } = await vcl3.do('/promote', { force: true });
    expect(result).toMatchObject({ loss: expect.stringContaining('nothing is lost') });
    await vcl2.mendApp();
    await serves(vcl3);
    await standsBy(vcl2);
    expect(await vcl3.entries()).toEqual(['SEED', 'with the old primary', 'rescued']);
    await vcl3.write('with the new primary');
    await vcl3.do('/demote');
    await serves(vcl2);

    // Then the primary; and VCL3 is rolled back, on the state that the new version wrote.
    await restart(vcl2, today);
    await serves(vcl2);
    await restart(vcl3, before);
    await standsBy(vcl3);
    await vcl2.do('/backups');
    await isCurrent();
    await vcl2.write('rescued from the new one');
    await vcl2.breakApp();
    expect((await vcl3.do('/promote', { force: true })).result).toMatchObject({
      loss: expect.stringContaining('nothing is lost'),
    });
    await vcl2.mendApp();
    await serves(vcl3);
    await restart(vcl2, before);
    await standsBy(vcl2);
    expect((await vcl3.agent.get('/health', TOKENS.admin)).status).toBe(200);
    expect(await vcl3.entries()).toEqual([
      ...['SEED', 'with the old primary', 'rescued'],
      ...['with the new primary', 'rescued from the new one'],
    ]);
  }, 240_000);
});
