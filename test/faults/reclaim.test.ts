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

const RESTORING: FaultRule = { label: 'promote.restore', moment: 'before', action: 'hold' };

const cutEach = (pair: WatchedPair, cuts: Record<'reclaim' | 'yielding', FaultRule[]>): void => {
  /** The primary has promised not to serve, and nobody is left to say what became of it. */
  const beAbandoned = async (cut: FaultRule): Promise<void> => {
    const { primary, standby } = pair;
    await pair.write(saying(cut));
    await succeed(primary, '/backups');
    await primary.breakApp();
    await standby.inject([RESTORING]);
    await provoke(standby, '/promote', standby, RESTORING, { reason: 'the app crashed' });
    await standby.agent.kill();
    await standby.inject([]);
    await primary.mendApp();
    expect(await primary.agent.status()).toMatchObject({ mode: 'yielding' });
    await primary.inject([cut]);
  };

  test.each(cuts.reclaim)(
    'a person takes the role back, $action $moment $label: nothing is lost, nobody serves twice',
    async (cut) => {
      const { primary, standby } = pair;
      await beAbandoned(cut);
      await provoke(primary, '/promote', primary, cut, { force: true, reason: 'it is gone' });
      await revive(primary);
      await revive(standby);
      await pair.settled();
    },
  );

  test.each(cuts.yielding)(
    'the yielding node starts anew, $action $moment $label: it keeps its promise until it is told',
    async (cut) => {
      const { primary, standby } = pair;
      await beAbandoned(cut);
      await primary.agent.kill();
      await primary.agent.start().catch(() => {});
      await strikes(primary, cut);
      await revive(primary);
      expect(await primary.agent.status()).toMatchObject({ mode: 'yielding', serving: false });
      await revive(standby);
      await pair.settled();
    },
  );
};

describe('the other node dies after it has fenced the primary, and a step fails', () => {
  cutEach(watchedInProcessPair(), {
    reclaim: failures(STEPS.reclaim),
    yielding: failures(STEPS.bootYielding),
  });
});

describePostgres('the other node dies after it has fenced the primary', () => {
  cutEach(watchedPair(), {
    reclaim: kills('reclaim', STEPS.reclaim),
    yielding: kills('bootYielding', STEPS.bootYielding),
  });
});
