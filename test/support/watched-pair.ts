import { afterAll, beforeEach, expect } from 'vitest';
import type { OperationRecord } from '../../src/pure/operation.js';
import { eventually, type FaultRule, type Machine, type Pair, startPair } from './pair.js';

/** Fails before the effect, fails after it, and is killed on either side of it. */
const CUTS: Pick<FaultRule, 'moment' | 'action'>[] = [
  { moment: 'before', action: 'fail' },
  { moment: 'after', action: 'fail' },
  { moment: 'before', action: 'kill' },
  { moment: 'after', action: 'kill' },
];

/** Every cut of every step, one test each. */
export const cases = (labels: string[]) =>
  labels.flatMap((label) => CUTS.map((cut) => ({ label, ...cut })));

/**
 * A pair that is used for every case of a list, and watched all the time: never may both apps answer. After a
 * case that failed the next one gets a new pair.
 */
export const watchedPair = () => {
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
      await succeed(server, '/demote');
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

/** Asks until it is taken up: an agent that is busy with a start of its own says so, and wants to be asked again. */
export const ask = (machine: Machine, path: string, body?: object): Promise<unknown> =>
  eventually(`${machine.agent.name} takes up ${path}`, async () => {
    try {
      return (await machine.agent.post(path, body)).status === 202;
    } catch {
      // The fault may have killed it before it could answer.
      return !machine.agent.isRunning;
    }
  });

/** Asks again and again until the fault has struck `victim`: the guard may end a backup for something more urgent. */
export const provoke = async (
  machine: Machine,
  path: string,
  victim: Machine,
  cut: FaultRule,
): Promise<void> => {
  await eventually(`${path} meets the fault`, async () => {
    if ((await victim.hits()).length > 0) return true;
    await machine.run(path).catch(() => {});
    return (await victim.hits()).length > 0;
  });
  await strikes(victim, cut);
};

/** Asks until it is done. */
export const succeed = (machine: Machine, path: string): Promise<OperationRecord> =>
  eventually(`${path} on ${machine.agent.name} is done`, async () => {
    const { body } = await machine.run(path);
    return body.state === 'done' ? body : undefined;
  });

/** Starts a killed agent again, as its service manager would. */
export const revive = async (machine: Machine): Promise<void> => {
  if (machine.agent.isRunning) return;
  await machine.agent.start();
};

/** Until the fault has struck there, and nothing else has; an agent that it kills is dead by then. */
export const strikes = async (machine: Machine, cut: FaultRule): Promise<void> => {
  await eventually(
    `the fault strikes ${machine.agent.name}`,
    async () => (await machine.hits()).length > 0,
  );
  expect(await machine.hits()).toEqual([`${cut.label} ${cut.moment} ${cut.action}`]);
  if (cut.action === 'kill') await machine.agent.exited();
};

/** What is written before a cut, so that its loss would show. */
export const saying = (cut: FaultRule): string => `before ${cut.label} ${cut.moment} ${cut.action}`;
