import { expect, test } from 'vitest';
import { eventually, type Machine } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { STEPS } from '../support/step-names.js';
import { cases, revive, saying, strikes, succeed, watchedPair } from '../support/watched-pair.js';

describePostgres('every step of a preparation may be cut', () => {
  const pair = watchedPair(() => ({ env: { PREPARE: 'on-receive' } }));

  /** Nothing else is to be cut: the one before is done. */
  const prepares = (machine: Machine, backup: unknown) =>
    eventually(`${machine.agent.name} has prepared ${backup}`, async () => {
      const { prepared, operation } = await machine.agent.status();
      return prepared === backup && operation === null;
    });

  test.each(cases(STEPS.prepare))(
    '$action $moment $label: the backup is prepared in the end, and the database cold',
    async (cut) => {
      const { primary, standby } = pair;
      await pair.write(saying(cut));
      await standby.inject([cut]);

      const { result } = await succeed(primary, '/backups');
      await strikes(standby, cut);
      await revive(standby);
      await prepares(standby, result?.backup);
      await expect(standby.database.psql('SELECT 1')).rejects.toThrow('Connection refused');
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
});
