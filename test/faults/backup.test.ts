import { expect, test } from 'vitest';
import { describePostgres } from '../support/postgres.js';
import { STEPS } from '../support/step-names.js';
import { cases, provoke, revive, saying, succeed, watchedPair } from '../support/watched-pair.js';

describePostgres('every step of a backup may be cut', () => {
  const pair = watchedPair();

  const backUpAgain = async () => {
    const { vcl2, vcl3 } = pair;
    const { result } = await succeed(vcl2, '/backups');
    expect((await vcl3.agent.status()).latestBackup?.id).toBe(result?.backup);
  };

  test.each(cases(STEPS.backup))(
    'on the primary, $action $moment $label: the next one is complete on both nodes',
    async (cut) => {
      const { vcl2 } = pair;
      await pair.write(vcl2, saying(cut));
      await vcl2.inject([cut]);

      await provoke(vcl2, '/backups', vcl2, cut);
      await revive(vcl2);
      expect(await pair.settled()).toBe(vcl2);
      await backUpAgain();
    },
  );

  test.each(cases(STEPS.receive))(
    'on the standby, $action $moment $label: what is listed is whole',
    async (cut) => {
      const { vcl2, vcl3 } = pair;
      await pair.write(vcl2, saying(cut));
      await vcl3.inject([cut]);

      await provoke(vcl2, '/backups', vcl3, cut);
      await revive(vcl3);
      expect(await pair.settled()).toBe(vcl2);
      await backUpAgain();
    },
  );
});
