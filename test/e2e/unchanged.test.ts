import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, type Pair, serves, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';

const AGE = 3_000;

describePostgres('a backup every second', () => {
  let pair: Pair;
  beforeAll(async () => {
    pair = await startPair({ env: { BACKUP_CRON: '* * * * * *' } });
  });
  afterAll(() => pair?.remove());

  const newest = async (machine: Pair['vcl2']) => (await machine.agent.status()).latestBackup;
  const backupsTaken = async () =>
    (await pair.vcl2.agent.operations()).filter(({ kind }) => kind === 'backup').length;

  /** Until ticks go by that take no backup, and both nodes have that it is as good as new. */
  const isConfirmed = (last?: string) =>
    eventually('both nodes know that nothing has changed', async () => {
      const [here, there] = await Promise.all([newest(pair.vcl2), newest(pair.vcl3)]);
      const isLater = here !== null && Date.parse(here.currentAt) > Date.parse(here.takenAt) + AGE;
      return (
        isLater &&
        here.id !== last &&
        there?.id === here.id &&
        there.ageSeconds * 1_000 < AGE &&
        there
      );
    });

  test('is not taken again while nothing changes, and is as good as new', async () => {
    await pair.vcl2.write('the last of today');
    const { id } = await isConfirmed();
    const taken = await backupsTaken();
    await eventually('three more ticks have gone by', async () => {
      const { currentAt } = (await newest(pair.vcl3)) ?? { currentAt: '' };
      return Date.parse(currentAt) > Date.now() - 1_500 && (await isConfirmed());
    });
    expect((await newest(pair.vcl3))?.id).toBe(id);
    expect(await backupsTaken()).toBe(taken);
  });

  test('is taken again after the next write, and a lost machine costs what was said', async () => {
    const { id } = await isConfirmed();
    await pair.vcl2.write('the first of tomorrow');
    const next = await isConfirmed(id);
    await pair.vcl2.losePower();
    const { result } = await pair.vcl3.do('/promote', { force: true });
    expect(result).toMatchObject({ backup: next.id });
    await serves(pair.vcl3);
    expect(await pair.vcl3.entries()).toContain('the first of tomorrow');
  });
});
