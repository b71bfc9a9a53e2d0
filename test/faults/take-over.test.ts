import { test } from 'vitest';
import { describePostgres } from '../support/postgres.js';
import { STEPS } from '../support/step-names.js';
import { cases, provoke, revive, saying, watchedPair } from '../support/watched-pair.js';

describePostgres('every step of a handover may be cut on the node that takes', () => {
  const pair = watchedPair();

  test.each(cases(STEPS.takeOver))(
    '$action $moment $label: no write is lost, nobody serves twice',
    async (cut) => {
      const { primary, standby } = pair;
      await pair.write(saying(cut));
      await standby.inject([cut]);

      await provoke(primary, '/demote', standby, cut);
      await revive(standby);
      await pair.settled();
    },
  );
});
