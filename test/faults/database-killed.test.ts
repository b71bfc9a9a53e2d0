import { expect, test } from 'vitest';
import { hasEnded } from '../../src/domain/operation.js';
import { cleansUp, liesPrepared, passesAgain, staysPrepared } from '../support/drilled.js';
import { heldSome, saying } from '../support/fault-rules.js';
import { eventually, type Machine } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { sample } from '../support/sample.js';
import { STEPS } from '../support/step-names.js';
import { provoke, succeed, watchedPair } from '../support/watched-pair.js';

describePostgres('PostgreSQL is killed before any step of an operation', () => {
  const pair = watchedPair();

  test.each(heldSome('PostgreSQL killed: handover', STEPS.handover, 1))(
    'on the node that gives, $label: no write is lost',
    async (cut) => {
      const { primary } = pair;
      await pair.write(saying(cut));
      await primary.inject([cut]);

      await provoke(primary, '/demote', primary, cut);
      await primary.database.crash();
      await primary.release();
      await pair.settled();
    },
  );

  test.each(heldSome('PostgreSQL killed: take-over', STEPS.takeOver, 1))(
    'on the node that takes, $label: no write is lost',
    async (cut) => {
      const { primary, standby } = pair;
      await pair.write(saying(cut));
      await standby.inject([cut]);

      await provoke(primary, '/demote', standby, cut);
      await standby.database.crash();
      await standby.release();
      await pair.settled();
    },
  );

  test.each(heldSome('PostgreSQL killed: promote', STEPS.promote, 1))(
    'on the node that takes over, $label: nothing is lost',
    async (cut) => {
      const { primary, standby } = pair;
      await pair.write(saying(cut));
      await primary.breakApp();
      await standby.inject([cut]);

      await provoke(standby, '/promote', standby, cut, { reason: 'the app crashed' });
      await standby.database.crash();
      await standby.release();
      await primary.mendApp();
      await pair.settled();
    },
  );

  // A standby's database is cold before the first step and at the last; before the restore there is nothing of the drill
  // yet, and in the middle of it is tried below; without a DRILL_QUERY the database is asked nothing.
  const NOTHING_TO_BREAK = ['start-database', 'restore', 'query', 'report'].map(
    (name) => `drill.${name}`,
  );

  test.each(
    heldSome(
      'PostgreSQL killed: drill',
      STEPS.drill.filter((label) => !NOTHING_TO_BREAK.includes(label)),
      1,
    ),
  )('on a standby that drills, $label: it fails, and what lies prepared stays so', async (cut) => {
    const { primary, standby } = pair;
    await liesPrepared(primary, standby);
    await standby.inject([cut]);

    await staysPrepared(standby, async () => {
      const id = await provoke(standby, '/drill', standby, cut);
      await standby.database.crash();
      await standby.release();
      await eventually('the drill has ended', async () =>
        hasEnded(await standby.agent.operation(id)),
      );
    });
    const { lastDrill, problems } = await standby.agent.status();
    expect(lastDrill).toMatchObject({
      passed: false,
      error: expect.stringContaining('does not answer'),
    });
    expect(problems).toContain('drill-failed');
    expect(await pair.settled()).toBe(primary);
  });

  test('and after all that a drill passes', async () => {
    await liesPrepared(pair.primary, pair.standby);
    await passesAgain(pair.standby);
  });
});

/** One row of so many bytes: long to dump and to restore, quick to make, and next to nothing on disk. */
const LONG_ROW = 150_000_000;

describePostgres('PostgreSQL is killed while it works for an operation', () => {
  const pair = watchedPair();

  /** Once for all: it goes where the role goes. */
  const makeLong = async ({ database }: Machine) => {
    if ((await database.psql(`SELECT to_regclass('long')`, 'ledger')).trim() !== '') return;
    await database.psql('CREATE TABLE long (text text)', 'ledger');
    await database.psql(`INSERT INTO long VALUES (repeat('x', ${LONG_ROW}))`, 'ledger');
  };
  /** The process that copies rows out or in. */
  const copying = async ({ database }: Machine): Promise<number | undefined> => {
    const found = await database.psql(
      `SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'COPY public.long%'`,
    );
    return Number(found) || undefined;
  };
  const copies = (machine: Machine): Promise<number> =>
    eventually('rows are copied', () => copying(machine));

  const takeOverWhile = async (what: 'the whole server' | 'only the process that restores') => {
    const { primary, standby } = pair;
    await makeLong(primary);
    // An older backup that can be restored, too.
    await succeed(primary, '/backups');
    await pair.write(`before a takeover: ${what}`);
    await primary.breakApp();
    let asked: string | undefined;
    const process = await eventually('VCL3 restores', async () => {
      // It is refused as long as VCL2 tries to start its app.
      if (asked === undefined || hasEnded(await standby.agent.operation(asked))) {
        const { body } = await standby.agent.post<{ id: string }>('/promote', {
          reason: 'the app crashed',
        });
        asked = body.id;
      }
      return copying(standby);
    });
    if (what === 'the whole server') await standby.database.crash();
    else globalThis.process.kill(process, 'SIGKILL');

    await eventually('the takeover has ended', async () => {
      const { operation } = await standby.agent.status();
      return operation === null;
    });
    await primary.mendApp();
    await pair.settled();
  };

  const STORIES: Record<string, () => Promise<void>> = {
    'in the middle of a dump: the next backup is whole': async () => {
      const { primary, standby } = pair;
      await pair.write('before a dump');
      await makeLong(primary);
      const { body } = await primary.agent.post<{ id: string }>('/backups');
      await copies(primary);
      await primary.database.crash();

      await eventually('the backup has ended', async () =>
        hasEnded(await primary.agent.operation(body.id)),
      );
      expect(await primary.agent.operation(body.id)).toMatchObject({ state: 'rolled-back' });
      expect(await pair.settled()).toBe(primary);
      const { result } = await succeed(primary, '/backups');
      expect((await standby.agent.status()).latestBackup?.id).toBe(result?.backup);
    },

    'in the middle of the restore of a drill: nothing of it stays, and the backup is not blamed':
      async () => {
        const { primary, standby } = pair;
        await makeLong(primary);
        await succeed(primary, '/backups');
        const { body } = await standby.agent.post<{ id: string }>('/drill');
        await copies(standby);
        await standby.database.crash();

        await eventually('the drill has ended', async () =>
          hasEnded(await standby.agent.operation(body.id)),
        );
        expect(await standby.agent.operation(body.id)).toMatchObject({
          state: 'rolled-back',
          error: { code: expect.stringMatching(/^database-/) },
        });
        await cleansUp(standby);
        expect((await standby.agent.status()).problems).not.toContain('backup-unusable');
        expect(await pair.settled()).toBe(primary);
      },

    'in the middle of the last dump of a handover: it goes on serving': async () => {
      const { primary } = pair;
      await pair.write('before a last dump');
      await makeLong(primary);
      await primary.agent.post('/demote');
      await copies(primary);
      await primary.database.crash();
      expect(await pair.settled()).toBe(primary);
    },

    'in the middle of the restore of a handover: the other node goes on serving': async () => {
      const { primary, standby } = pair;
      await pair.write('before a restore');
      await makeLong(primary);
      await primary.agent.post('/demote');
      await copies(standby);
      await standby.database.crash();
      expect(await pair.settled()).toBe(primary);
    },
    'in the middle of the restore of a takeover, the whole server: nothing is lost': () =>
      takeOverWhile('the whole server'),
    'in the middle of the restore of a takeover, only the process that restores: nothing is lost':
      () => takeOverWhile('only the process that restores'),
  };

  test.each(sample('PostgreSQL killed at work', Object.keys(STORIES), 3))('%s', (story) =>
    STORIES[story]?.(),
  );
});
