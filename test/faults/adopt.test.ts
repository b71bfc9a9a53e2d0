import { expect, test } from 'vitest';
import type { Machine } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { STEPS } from '../support/step-names.js';
import { cases, provoke, revive, saying, succeed, watchedPair } from '../support/watched-pair.js';

const COMMAND = { force: true, reason: 'a person means it' };

describePostgres('every step of an adoption may be cut', () => {
  const pair = watchedPair();

  /** The same rows, but nobody can tell any more whose they are. */
  const forgetLineage = ({ database }: Machine) =>
    database.psql('COMMENT ON DATABASE ledger IS NULL');

  const bothAgree = async () => {
    const { primary, standby } = pair;
    const { lineage } = await primary.agent.status();
    expect((await standby.agent.status()).lineage).toBe(lineage);
    const { result } = await succeed(primary, '/backups');
    expect((await standby.agent.status()).latestBackup?.id).toBe(result?.backup);
  };

  test.each(cases(STEPS.adoptPrimary))(
    'on the primary, $action $moment $label: asked again, it is done',
    async (cut) => {
      const { primary, standby } = pair;
      await pair.write(saying(cut));
      await forgetLineage(primary);
      await primary.inject([cut]);

      await provoke(primary, '/adopt', primary, cut, COMMAND);
      await revive(primary);
      await succeed(primary, '/adopt', COMMAND);
      expect(await pair.settled()).toBe(primary);
      await succeed(standby, '/adopt', COMMAND);
      await bothAgree();
    },
  );

  test.each(cases(STEPS.adoptStandby))(
    'on the standby, $action $moment $label: asked again, it is done',
    async (cut) => {
      const { primary, standby } = pair;
      await pair.write(saying(cut));
      await forgetLineage(primary);
      await succeed(primary, '/adopt', COMMAND);
      await standby.inject([cut]);

      await provoke(standby, '/adopt', standby, cut, COMMAND);
      await revive(standby);
      await succeed(standby, '/adopt', COMMAND);
      expect(await pair.settled()).toBe(primary);
      await bothAgree();
    },
  );
});
