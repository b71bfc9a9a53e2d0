import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { eventually, type FaultRule, type Machine, type Pair, startPair } from '../support/pair.js';
import { describePostgres } from '../support/postgres.js';
import { STEPS } from '../support/step-names.js';

/** Fails before the effect, fails after it, and is killed on either side of it. */
const CUTS: Pick<FaultRule, 'moment' | 'action'>[] = [
  { moment: 'before', action: 'fail' },
  { moment: 'after', action: 'fail' },
  { moment: 'before', action: 'kill' },
  { moment: 'after', action: 'kill' },
];

const cases = (labels: string[]) =>
  labels.flatMap((label) => CUTS.map((cut) => ({ label, ...cut })));

/**
 * A pair that is used for every case of a list, and watched all the time: never may both apps answer. After a
 * case that failed the next one gets a new pair.
 */
const watchedPair = () => {
  let pair: Pair | undefined;
  let watch: Watch | undefined;
  let acknowledged: string[] = [];

  const end = async () => {
    await watch?.stop();
    await pair?.remove();
    pair = undefined;
  };
  beforeEach(async ({ onTestFailed }) => {
    onTestFailed(end);
    if (pair !== undefined) return;
    pair = await startPair({ env: { APP_RESTART_AFTER: '500ms' } });
    // The seeds of the first start are not production data: seen again, they were seeded again.
    await pair.vcl2.database.psql('DELETE FROM entries', 'ledger');
    acknowledged = [];
    await idle(pair);
    watch = watchBoth(pair);
  });
  afterAll(end);

  const present = (): Pair => {
    if (pair === undefined) throw new Error('the pair was not started');
    return pair;
  };
  return {
    get vcl2() {
      return present().vcl2;
    },
    get vcl3() {
      return present().vcl3;
    },
    /** Writes through the machine that serves. */
    write: async (machine: Machine, text: string) => {
      if (await machine.write(text)) acknowledged.push(text);
      else throw new Error(`${text} was not acknowledged`);
    },
    /** Gives the role back to VCL2 when VCL3 has it, once VCL2 is ready for it. */
    handBack: async (server: Machine): Promise<void> => {
      if (server === present().vcl2) return;
      await eventually('VCL2 is a standby with nothing to do', async () => {
        const { mode, operation } = await present().vcl2.agent.status();
        return mode === 'standby' && operation === null;
      });
      expect((await server.run('/demote')).body).toMatchObject({ state: 'done' });
    },
    /** The one machine that serves in the end, with everything that was ever acknowledged. */
    settled: async (): Promise<Machine> => {
      const machine = await eventually('one node serves', async () => {
        for (const candidate of [present().vcl2, present().vcl3]) {
          const { status } = await candidate.agent.get('/primary');
          if (status === 200 && (await candidate.agent.status()).operation === null)
            return candidate;
        }
        return undefined;
      });
      expect(await machine.entries()).toEqual(acknowledged);
      expect(watch?.bothServed).toEqual([]);
      return machine;
    },
  };
};

const idle = ({ vcl2, vcl3 }: Pair) =>
  eventually('both agents have nothing to do', async () => {
    const [two, three] = await Promise.all([vcl2.agent.status(), vcl3.agent.status()]);
    return two.operation === null && three.operation === null;
  });

interface Watch {
  /** When both apps answered at once. */
  bothServed: string[];
  stop(): Promise<void>;
}

const watchBoth = ({ vcl2, vcl3 }: Pair): Watch => {
  const bothServed: string[] = [];
  let watching = true;
  const loop = (async () => {
    while (watching) {
      const [two, three] = await Promise.all([vcl2.entries(), vcl3.entries()]);
      if (two !== undefined && three !== undefined) bothServed.push(new Date().toISOString());
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  const stop = async () => {
    watching = false;
    await loop;
  };
  return { bothServed, stop };
};

/** Starts a killed agent again, as its service manager would. */
const revive = async (machine: Machine): Promise<void> => {
  if (machine.agent.isRunning) return;
  await machine.agent.start();
};

/** Until the agent has died of the fault, or the operation of that kind has ended. */
const struck = (machine: Machine, kind: 'promote' | 'handover' | 'backup') =>
  eventually(`${kind} ends on ${machine.agent.name}`, async () => {
    if (!machine.agent.isRunning) return true;
    const [last] = (await machine.agent.operations()).filter((record) => record.kind === kind);
    return last !== undefined && last.state !== 'running';
  });

describePostgres('every step of a takeover may be cut', () => {
  const pair = watchedPair();

  test.each(cases(STEPS.promote))(
    '$action $moment $label: nothing is lost, nobody serves twice',
    async (cut) => {
      const { vcl2, vcl3 } = pair;
      await pair.write(vcl2, `before ${cut.label} ${cut.moment} ${cut.action}`);
      await vcl2.breakApp();
      await vcl3.inject([cut]);

      await vcl3.agent.post('/promote', { reason: 'the app of VCL2 crashed' });
      await struck(vcl3, 'promote');
      await revive(vcl3);
      expect(await vcl3.hits()).toEqual([`${cut.label} ${cut.moment} ${cut.action}`]);
      await vcl2.mendApp();

      // Rolled back: VCL2 has its role back. Committed or resumed: VCL3 has it.
      const server = await pair.settled();
      await pair.handBack(server);
      expect(await pair.settled()).toBe(vcl2);
    },
  );
});

describePostgres('every step of a handover may be cut on the node that gives', () => {
  const pair = watchedPair();

  test.each(cases(STEPS.handover))(
    '$action $moment $label: no write is lost, nobody serves twice',
    async (cut) => {
      const { vcl2 } = pair;
      await pair.write(vcl2, `before ${cut.label} ${cut.moment} ${cut.action}`);
      await vcl2.inject([cut]);

      await vcl2.agent.post('/demote').catch(() => {});
      await struck(vcl2, 'handover');
      await revive(vcl2);
      expect(await vcl2.hits()).toEqual([`${cut.label} ${cut.moment} ${cut.action}`]);

      const server = await pair.settled();
      await pair.handBack(server);
      expect(await pair.settled()).toBe(vcl2);
    },
  );
});

describePostgres('every step of a handover may be cut on the node that takes', () => {
  const pair = watchedPair();

  test.each(cases(STEPS.takeOver))(
    '$action $moment $label: no write is lost, nobody serves twice',
    async (cut) => {
      const { vcl2, vcl3 } = pair;
      await pair.write(vcl2, `before ${cut.label} ${cut.moment} ${cut.action}`);
      await vcl3.inject([cut]);

      await vcl2.agent.post('/demote');
      await struck(vcl3, 'promote');
      await revive(vcl3);
      expect(await vcl3.hits()).toEqual([`${cut.label} ${cut.moment} ${cut.action}`]);

      const server = await pair.settled();
      await pair.handBack(server);
      expect(await pair.settled()).toBe(vcl2);
    },
  );
});

describePostgres('every step of a backup may be cut', () => {
  const pair = watchedPair();

  test.each(cases(STEPS.backup))(
    '$action $moment $label: the next backup is complete on both nodes',
    async (cut) => {
      const { vcl2, vcl3 } = pair;
      await pair.write(vcl2, `before ${cut.label} ${cut.moment} ${cut.action}`);
      await vcl2.inject([cut]);

      await vcl2.agent.post('/backups').catch(() => {});
      await struck(vcl2, 'backup');
      await revive(vcl2);
      expect(await vcl2.hits()).toEqual([`${cut.label} ${cut.moment} ${cut.action}`]);
      expect(await pair.settled()).toBe(vcl2);

      const next = await vcl2.run('/backups');
      expect(next.body).toMatchObject({ state: 'done' });
      const newest = (await vcl3.agent.status()).latestBackup?.id;
      expect(newest).toBe(next.body.result?.backup);
    },
  );
});

describe('the lists of steps', () => {
  test('come from the operations and are not empty', () => {
    for (const labels of Object.values(STEPS)) expect(labels.length).toBeGreaterThan(2);
  });
});
