import { describe, expect, test } from 'vitest';
import { failures, kills, saying } from '../support/fault-rules.js';
import { eventually, type FaultRule } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { STEPS } from '../support/step-names.js';
import {
  revive,
  strikes,
  succeed,
  type WatchedMachine,
  type WatchedPair,
  watchedInProcessPair,
  watchedPair,
} from '../support/watched-pair.js';

const cutEach = (pair: WatchedPair, cuts: FaultRule[]): void => {
  /** Nothing else is to be cut: the one before is done. */
  const prepares = (machine: WatchedMachine, backup: unknown) =>
    eventually(`${machine.agent.name} has prepared ${backup}`, async () => {
      const { prepared, operation } = await machine.agent.status();
      return prepared === backup && operation === null;
    });

  test.each(cuts)(
    '$action $moment $label: the backup is prepared in the end, and the database cold',
    async (cut) => {
      const { primary, standby } = pair;
      await pair.write(saying(cut));
      await standby.inject([cut]);

      const { result } = await succeed(primary, '/backups');
      await strikes(standby, cut);
      await revive(standby);
      await prepares(standby, result?.backup);
      expect(await standby.isCold()).toBe(true);
      expect(await pair.settled()).toBe(primary);
    },
  );

  test('and what was prepared after all that holds everything', async () => {
    const { primary, standby } = pair;
    await pair.write('the last order');
    const { result } = await succeed(primary, '/backups');
    await prepares(standby, result?.backup);
    await primary.losePower();
    const promote = await succeed(standby, '/promote');
    expect(promote.steps.find(({ name }) => name === 'restore')?.detail).toContain(
      'is restored already',
    );
    await primary.agent.start();
    expect(await pair.settled()).toBe(standby);
  });
};

describe('every step of a preparation may fail', () => {
  cutEach(watchedInProcessPair({ PREPARE: 'on-receive' }), failures(STEPS.prepare));
});

describePostgres('every step of a preparation may be cut', () => {
  cutEach(
    watchedPair(() => ({ env: { PREPARE: 'on-receive' } })),
    kills('prepare', STEPS.prepare),
  );
});
