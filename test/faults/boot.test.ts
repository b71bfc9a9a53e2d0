import { expect, test } from 'vitest';
import { describePostgres } from '../support/postgres.js';
import { STEPS } from '../support/step-names.js';
import { cases, revive, saying, strikes, succeed, watchedPair } from '../support/watched-pair.js';

describePostgres('every step of a start may be cut', () => {
  const pair = watchedPair();

  test.each(cases(STEPS.bootPrimary))(
    'of a primary: $action $moment $label: it serves in the end',
    async (cut) => {
      const { primary } = pair;
      await pair.write(saying(cut));
      await primary.losePower();
      await primary.inject([cut]);

      await primary.agent.start().catch(() => {});
      await strikes(primary, cut);
      await revive(primary);
      expect(await pair.settled()).toBe(primary);
    },
  );

  test.each(cases(STEPS.bootStandby))(
    'of a standby: $action $moment $label: it is cold in the end',
    async (cut) => {
      const { primary, standby } = pair;
      await pair.write(saying(cut));
      await standby.losePower();
      await standby.inject([cut]);

      await standby.agent.start().catch(() => {});
      await strikes(standby, cut);
      await revive(standby);
      expect(await pair.settled()).toBe(primary);
    },
  );

  test.each(cases(STEPS.standDown))(
    'of a superseded primary: $action $moment $label: it is a standby in the end',
    async (cut) => {
      const { primary, standby } = pair;
      await pair.write(saying(cut));
      await succeed(primary, '/backups');
      await primary.losePower();
      await succeed(standby, '/promote');
      await primary.inject([cut]);

      await primary.agent.start().catch(() => {});
      await strikes(primary, cut);
      await revive(primary);
      expect(await pair.settled()).toBe(standby);
    },
  );
});
