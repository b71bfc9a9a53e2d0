import { describe, expect, test } from 'vitest';
import { failures, kills, saying } from '../support/fault-rules.js';
import type { FaultRule } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { STEPS } from '../support/step-names.js';
import {
  provoke,
  revive,
  succeed,
  type WatchedPair,
  watchedInProcessPair,
  watchedPair,
} from '../support/watched-pair.js';

const COMMAND = { force: true, reason: 'a person means it' };

const cutEach = (pair: WatchedPair, cuts: Record<'primary' | 'standby', FaultRule[]>): void => {
  const bothAgree = async () => {
    const { primary, standby } = pair;
    const { lineage } = await primary.agent.status();
    expect((await standby.agent.status()).lineage).toBe(lineage);
    const { result } = await succeed(primary, '/backups');
    expect((await standby.agent.status()).latestBackup?.id).toBe(result?.backup);
  };

  test.each(cuts.primary)(
    'on the primary, $action $moment $label: asked again, it is done',
    async (cut) => {
      const { primary, standby } = pair;
      await pair.write(saying(cut));
      await primary.forgetLineage();
      await primary.inject([cut]);

      await provoke(primary, '/adopt', primary, cut, COMMAND);
      await revive(primary);
      await succeed(primary, '/adopt', COMMAND);
      expect(await pair.settled()).toBe(primary);
      await succeed(standby, '/adopt', COMMAND);
      await bothAgree();
    },
  );

  test.each(cuts.standby)(
    'on the standby, $action $moment $label: asked again, it is done',
    async (cut) => {
      const { primary, standby } = pair;
      await pair.write(saying(cut));
      await primary.forgetLineage();
      await succeed(primary, '/adopt', COMMAND);
      await standby.inject([cut]);

      await provoke(standby, '/adopt', standby, cut, COMMAND);
      await revive(standby);
      await succeed(standby, '/adopt', COMMAND);
      expect(await pair.settled()).toBe(primary);
      await bothAgree();
    },
  );
};

describe('every step of an adoption may fail', () => {
  cutEach(watchedInProcessPair(), {
    primary: failures(STEPS.adoptPrimary),
    standby: failures(STEPS.adoptStandby),
  });
});

describePostgres('every step of an adoption may be cut', () => {
  cutEach(watchedPair(), {
    primary: kills('adoptPrimary', STEPS.adoptPrimary),
    standby: kills('adoptStandby', STEPS.adoptStandby),
  });
});
