import { test } from 'vitest';
import { describePostgres } from '../support/postgres.js';
import { STEPS } from '../support/step-names.js';
import { cases, provoke, revive, saying, watchedPair } from '../support/watched-pair.js';

describePostgres('every step of a handover may be cut on the node that gives', () => {
  const pair = watchedPair();

  test.each(cases(STEPS.handover))(
    '$action $moment $label: no write is lost, nobody serves twice',
    async (cut) => {
      const { primary } = pair;
      await pair.write(saying(cut));
      await primary.inject([cut]);

      await provoke(primary, '/demote', primary, cut);
      await revive(primary);
      await pair.settled();
    },
  );
});
