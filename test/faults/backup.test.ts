import { describe, expect, test } from 'vitest';
import { failures, kills, saying } from '../support/fault-rules.js';
import type { FaultRule } from '../support/pair.js';
import { eventually } from '../support/pair.js';
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
  cuts: Record<'backup' | 'receive' | 'push', FaultRule[]>,
): void => {
  const backUpAgain = async () => {
    const { primary, standby } = pair;
    const { result } = await succeed(primary, '/backups');
    expect((await standby.agent.status()).latestBackup?.id).toBe(result?.backup);
  };

  test.each(cuts.backup)(
    'on the primary, $action $moment $label: the next one is complete on both nodes',
    async (cut) => {
      const { primary } = pair;
      await pair.write(saying(cut));
      await primary.inject([cut]);

      await provoke(primary, '/backups', primary, cut);
      await revive(primary);
      expect(await pair.settled()).toBe(primary);
      await backUpAgain();
    },
  );

  test.each(cuts.receive)(
    'on the standby, $action $moment $label: what is listed is whole',
    async (cut) => {
      const { primary, standby } = pair;
      await pair.write(saying(cut));
      await standby.inject([cut]);

      await provoke(primary, '/backups', standby, cut);
      await revive(standby);
      expect(await pair.settled()).toBe(primary);
      await backUpAgain();
    },
  );

  test.each(cuts.push)(
    'that is sent again, $action $moment $label: the next one is complete on both nodes',
    async (cut) => {
      const { primary, standby } = pair;
      const failToPush = async () => {
        await standby.inject([{ label: 'receive.commit', moment: 'before', action: 'fail' }]);
        await eventually('a backup has not reached the standby', async () => {
          await primary.run('/backups');
          return (await primary.agent.status()).push.failingSince !== null;
        });
      };
      await pair.write(saying(cut));
      await failToPush();
      // An agent that starts sends it again at once.
      await primary.agent.kill();
      await primary.inject([cut]);

      await primary.agent.start();
      await eventually(
        'it is sent again',
        async () => {
          if ((await primary.hits()).length > 0) return true;
          const { push, operation } = await primary.agent.status();
          // Something more urgent has ended it once the standby had it.
          if (push.failingSince === null && operation === null) await failToPush();
          return false;
        },
        // The pauses before it is tried again grow: 10 s, 20 s, 40 s.
        150_000,
      ).catch(async (cause) => {
        const [last] = await primary.agent.operations();
        throw new Error(`the last operation was ${JSON.stringify(last)}`, { cause });
      });
      await strikes(primary, cut);
      await revive(primary);
      expect(await pair.settled()).toBe(primary);
      await backUpAgain();
    },
  );
};

describe('every step of a backup may fail', () => {
  cutEach(watchedInProcessPair(), {
    backup: failures(STEPS.backup),
    receive: failures(STEPS.receive),
    push: failures(STEPS.push),
  });
});

describePostgres('every step of a backup may be cut', () => {
  cutEach(watchedPair(), {
    backup: kills('backup', STEPS.backup),
    receive: kills('receive', STEPS.receive),
    push: kills('push', STEPS.push),
  });
});
