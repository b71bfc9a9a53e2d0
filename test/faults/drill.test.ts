import { describe, expect, test } from 'vitest';
import { cleansUp, isTidy, passesAgain } from '../support/drilled.js';
import { failures, kills, saying } from '../support/fault-rules.js';
import type { FaultRule } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { STEPS } from '../support/step-names.js';
import {
  provoke,
  revive,
  strikes,
  succeed,
  type WatchedPair,
  watchedInProcessPair,
  watchedPair,
} from '../support/watched-pair.js';

const cutEach = (
  pair: WatchedPair,
  cuts: Record<'drill' | 'cleanUp' | 'onPrimary', FaultRule[]>,
): void => {
  test.each(cuts.drill)(
    'on the standby, $action $moment $label: nothing of it stays, and the next one passes',
    async (cut) => {
      const { primary, standby } = pair;
      await pair.write(saying(cut));
      await succeed(primary, '/backups');
      await standby.inject([cut]);

      await provoke(standby, '/drill', standby, cut);
      await revive(standby);
      await cleansUp(standby);
      if (cut.action === 'fail')
        expect((await standby.agent.status()).problems).toContain('drill-failed');
      await isTidy(standby);
      await passesAgain(standby);
      expect((await standby.agent.status()).problems).toEqual([]);
      expect(await pair.settled()).toBe(primary);
    },
  );

  const killed: FaultRule = { label: 'drill.verify', moment: 'before', action: 'kill' };

  test.each(cuts.cleanUp)(
    'cleaning up after one that was killed, $action $moment $label: it is done again',
    async (cut) => {
      const { primary, standby } = pair;
      await pair.write(saying(cut));
      await succeed(primary, '/backups');
      await standby.inject([killed]);
      await provoke(standby, '/drill', standby, killed);

      await standby.inject([cut]);
      await revive(standby);
      await strikes(standby, cut);
      await revive(standby);
      await cleansUp(standby);
      await isTidy(standby);
      await passesAgain(standby);
      expect(await pair.settled()).toBe(primary);
    },
  );

  test.each(cuts.onPrimary)(
    'on the primary, $action $moment $label: it serves, and nothing of it stays',
    async (cut) => {
      const { primary } = pair;
      await pair.write(saying(cut));
      await succeed(primary, '/backups');
      await primary.inject([cut]);

      await provoke(primary, '/drill', primary, cut);
      await revive(primary);
      expect(await pair.settled()).toBe(primary);
      await cleansUp(primary);
      expect(await primary.databaseNames()).not.toContain('ledger_drill');
    },
  );
};

describe('every step of a drill may fail', () => {
  cutEach(watchedInProcessPair({ DRILL_QUERY: 'SELECT true', BACKUP_KEEP: '100' }), {
    drill: failures(STEPS.drill),
    cleanUp: failures(STEPS.drillCleanUp),
    onPrimary: [],
  });
});

describePostgres('every step of a drill may be cut', () => {
  cutEach(
    watchedPair(() => ({ env: { DRILL_QUERY: 'SELECT true', BACKUP_KEEP: '100' } })),
    {
      drill: kills('drill', STEPS.drill),
      cleanUp: kills('drillCleanUp', STEPS.drillCleanUp),
      onPrimary: kills('drill on a primary', STEPS.drill),
    },
  );
});
