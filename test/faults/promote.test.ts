import { expect, test } from 'vitest';
import { describePostgres } from '../support/postgres.js';
import { STEPS } from '../support/step-names.js';
import { ask, cases, revive, saying, strikes, watchedPair } from '../support/watched-pair.js';

describePostgres('every step of a takeover may be cut', () => {
  const pair = watchedPair();

  test.each(cases(STEPS.promote))(
    '$action $moment $label: nothing is lost, nobody serves twice',
    async (cut) => {
      const { vcl2, vcl3 } = pair;
      await pair.write(vcl2, saying(cut));
      await vcl2.breakApp();
      await vcl3.inject([cut]);

      await ask(vcl3, '/promote', { reason: 'the app of VCL2 crashed' });
      await strikes(vcl3, cut);
      await revive(vcl3);
      await vcl2.mendApp();

      // Rolled back: VCL2 has its role back. Committed or resumed: VCL3 has it.
      await pair.handBack(await pair.settled());
      expect(await pair.settled()).toBe(vcl2);
    },
  );
});
