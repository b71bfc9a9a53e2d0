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
  test.each(cuts)('$action $moment $label: no write is lost, nobody serves twice', async (cut) => {
    const { primary } = pair;
    await pair.write(saying(cut));
    await primary.inject([cut]);

    await provoke(primary, '/demote', primary, cut);
    await revive(primary);
    await pair.settled();
  });
};

describe('every step of a handover may fail on the node that gives', () => {
  cutEach(watchedInProcessPair(), failures(STEPS.handover));
});

describePostgres('every step of a handover may be cut on the node that gives', () => {
  cutEach(watchedPair(), kills('handover', STEPS.handover));
});
