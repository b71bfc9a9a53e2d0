import { describe, expect, test } from 'vitest';
import { failures, kills, saying } from '../support/fault-rules.js';
import type { FaultRule } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { STEPS } from '../support/step-names.js';
import {
  revive,
  strikes,
  succeed,
  type WatchedPair,
  watchedInProcessPair,
  watchedPair,
} from '../support/watched-pair.js';

const cutEach = (
  pair: WatchedPair,
  cuts: Record<'primary' | 'standby' | 'superseded', FaultRule[]>,
): void => {
  test.each(cuts.primary)(
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

  test.each(cuts.standby)(
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

  test.each(cuts.superseded)(
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
};

describe('every step of a start may fail', () => {
  cutEach(watchedInProcessPair(), {
    primary: failures(STEPS.bootPrimary),
    standby: failures(STEPS.bootStandby),
    superseded: failures(STEPS.standDown),
  });
});

describePostgres('every step of a start may be cut', () => {
  cutEach(watchedPair(), {
    primary: kills('bootPrimary', STEPS.bootPrimary),
    standby: kills('bootStandby', STEPS.bootStandby),
    superseded: kills('standDown', STEPS.standDown),
  });
});
