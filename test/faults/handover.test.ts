import { expect, test } from 'vitest';
import { describePostgres } from '../support/postgres.js';
import { STEPS } from '../support/step-names.js';
import { ask, cases, revive, saying, strikes, watchedPair } from '../support/watched-pair.js';

describePostgres('every step of a handover may be cut on the node that gives', () => {
  const pair = watchedPair();

  test.each(cases(STEPS.handover))(
    '$action $moment $label: no write is lost, nobody serves twice',
    async (cut) => {
      const { vcl2 } = pair;
      await pair.write(vcl2, saying(cut));
      await vcl2.inject([cut]);

      await ask(vcl2, '/demote');
      await strikes(vcl2, cut);
      await revive(vcl2);

      await pair.handBack(await pair.settled());
      expect(await pair.settled()).toBe(vcl2);
    },
  );
});
