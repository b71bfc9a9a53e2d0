import { test } from 'vitest';
import { describePostgres } from '../support/postgres.js';
import { STEPS } from '../support/step-names.js';
import { cases, provoke, revive, saying, watchedPair } from '../support/watched-pair.js';

describePostgres('every step of a takeover may be cut', () => {
  const pair = watchedPair();

  test.each(cases(STEPS.promote))(
    '$action $moment $label: nothing is lost, nobody serves twice',
    async (cut) => {
      const { primary, standby } = pair;
      await pair.write(saying(cut));
      await primary.breakApp();
      await standby.inject([cut]);

      await provoke(standby, '/promote', standby, cut, { reason: 'the app crashed' });
      await revive(standby);
      await primary.mendApp();
      // Rolled back: the old primary has its role back. Committed or resumed: the other one has it.
      await pair.settled();
    },
  );
});
