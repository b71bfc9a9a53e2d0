import { expect, test } from 'vitest';
import { describePostgres } from '../support/postgres.js';
import { STEPS } from '../support/step-names.js';
import {
  ask,
  cases,
  revive,
  saying,
  strikes,
  succeed,
  watchedPair,
} from '../support/watched-pair.js';

describePostgres('every step of a fence may be cut on the old primary', () => {
  const pair = watchedPair();

  test.each(cases(STEPS.fence))(
    '$action $moment $label: nothing is lost, nobody serves twice',
    async (cut) => {
      const { vcl2, vcl3 } = pair;
      await pair.write(vcl2, saying(cut));
      // Whatever comes of the fence, VCL3 has a backup with everything.
      await succeed(vcl2, '/backups');
      await vcl2.breakApp();
      await vcl2.inject([cut]);

      await ask(vcl3, '/promote', { reason: 'the app of VCL2 crashed' });
      await strikes(vcl2, cut);
      await vcl2.mendApp();
      await revive(vcl2);

      await pair.handBack(await pair.settled());
      expect(await pair.settled()).toBe(vcl2);
    },
  );
});

describePostgres('every step of taking the role back may be cut', () => {
  const pair = watchedPair();

  test.each(cases(STEPS.resume))('$action $moment $label: VCL2 serves again', async (cut) => {
    const { vcl2, vcl3 } = pair;
    await pair.write(vcl2, saying(cut));
    await vcl2.breakApp();
    await vcl3.inject([{ label: 'promote.restore', moment: 'before', action: 'fail' }]);
    await vcl2.inject([cut]);

    await expect
      .poll(async () => (await vcl3.run('/promote')).body, { timeout: 30_000 })
      .toMatchObject({ code: 'internal' });
    await vcl2.mendApp();
    await strikes(vcl2, cut);
    await revive(vcl2);
    expect(await pair.settled()).toBe(vcl2);
  });
});

describePostgres('every step of a start may be cut', () => {
  const pair = watchedPair();

  test.each(cases(STEPS.bootPrimary))(
    'of a primary: $action $moment $label: it serves in the end',
    async (cut) => {
      const { vcl2 } = pair;
      await pair.write(vcl2, saying(cut));
      await vcl2.losePower();
      await vcl2.inject([cut]);

      await vcl2.agent.start().catch(() => {});
      await strikes(vcl2, cut);
      await revive(vcl2);
      expect(await pair.settled()).toBe(vcl2);
    },
  );

  test.each(cases(STEPS.bootStandby))(
    'of a standby: $action $moment $label: it is cold in the end',
    async (cut) => {
      const { vcl2, vcl3 } = pair;
      await pair.write(vcl2, saying(cut));
      await vcl3.losePower();
      await vcl3.inject([cut]);

      await vcl3.agent.start().catch(() => {});
      await strikes(vcl3, cut);
      await revive(vcl3);
      expect(await pair.settled()).toBe(vcl2);
      expect(await vcl3.entries()).toBeUndefined();
    },
  );

  test.each(cases(STEPS.standDown))(
    'of a superseded primary: $action $moment $label: it gets everything back',
    async (cut) => {
      const { vcl2, vcl3 } = pair;
      await pair.write(vcl2, saying(cut));
      await succeed(vcl2, '/backups');
      await vcl2.losePower();
      await succeed(vcl3, '/promote');
      await vcl2.inject([cut]);

      await vcl2.agent.start().catch(() => {});
      await strikes(vcl2, cut);
      await revive(vcl2);

      await pair.handBack(await pair.settled());
      expect(await pair.settled()).toBe(vcl2);
    },
  );
});
