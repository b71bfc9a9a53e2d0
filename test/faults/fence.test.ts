import { describe, expect, test } from 'vitest';
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

const cutEach = (pair: WatchedPair, cuts: Record<'fence' | 'resume', FaultRule[]>): void => {
  test.each(cuts.fence)(
    'and of its last dump: $action $moment $label: nothing is lost, nobody serves twice',
    async (cut) => {
      const { primary, standby } = pair;
      await pair.write(saying(cut));
      // Whatever comes of the fence, the standby has a backup with everything.
      await succeed(primary, '/backups');
      await primary.breakApp();
      await primary.inject([cut]);

      await provoke(standby, '/promote', primary, cut, { reason: 'the app crashed' });
      await primary.mendApp();
      await revive(primary);
      await pair.settled();
    },
  );

  test.each(cuts.resume)(
    'and of taking the role back: $action $moment $label: it serves again',
    async (cut) => {
      const { primary, standby } = pair;
      await pair.write(saying(cut));
      await primary.breakApp();
      await standby.inject([{ label: 'promote.restore', moment: 'before', action: 'fail' }]);
      await primary.inject([cut]);

      await expect
        .poll(async () => (await standby.run('/promote')).body, { timeout: 30_000 })
        .toMatchObject({ code: 'internal' });
      await primary.mendApp();
      await strikes(primary, cut);
      await revive(primary);
      expect(await pair.settled()).toBe(primary);
    },
  );
};

describe('every step of a fence may fail on the old primary', () => {
  cutEach(watchedInProcessPair(), {
    fence: failures([...STEPS.fence, ...STEPS.rescue]),
    resume: failures(STEPS.resume),
  });
});

describePostgres('every step of a fence may be cut on the old primary', () => {
  cutEach(watchedPair(), {
    fence: kills('fence', [...STEPS.fence, ...STEPS.rescue]),
    resume: kills('resume', STEPS.resume),
  });
});
