import { describe, test } from 'vitest';
import { failures, kills, saying } from '../support/fault-rules.js';
import type { FaultRule } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { STEPS } from '../support/step-names.js';
import {
  provoke,
  revive,
  type WatchedPair,
  watchedInProcessPair,
  watchedPair,
} from '../support/watched-pair.js';

const cutEach = (pair: WatchedPair, cuts: FaultRule[]): void => {
  test.each(cuts)('$action $moment $label: nothing is lost, nobody serves twice', async (cut) => {
    const { primary, standby } = pair;
    await pair.write(saying(cut));
    await primary.breakApp();
    await standby.inject([cut]);

    await provoke(standby, '/promote', standby, cut, { reason: 'the app crashed' });
    await revive(standby);
    await primary.mendApp();
    // Rolled back: the old primary has its role back. Committed or resumed: the other one has it.
    await pair.settled();
  });
};

describe('every step of a takeover may fail', () => {
  cutEach(watchedInProcessPair(), failures(STEPS.promote));
});

describePostgres('every step of a takeover may be cut', () => {
  cutEach(watchedPair(), kills('promote', STEPS.promote));
});
