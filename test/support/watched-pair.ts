import { afterAll, beforeEach, expect, vi } from 'vitest';
import { hasEnded, type OperationRecord } from '../../src/domain/operation.js';
import { startInProcessPair } from './in-process-pair.js';
import {
  eventually,
  type FaultRule,
  type Machine,
  type Pair,
  type PairOptions,
  startPair,
} from './pair.js';

/** Milliseconds. A primary whose app could not be started waits longer each time before it tries again. */
const PATIENCE = 60_000;

/** What tests of faults use of a server, whether it runs in processes of its own or in the test's process. */
export type WatchedMachine = Pick<
  Machine,
  | 'agent'
  | 'run'
  | 'lastOperation'
  | 'entries'
  | 'write'
  | 'killApp'
  | 'breakApp'
  | 'mendApp'
  | 'losePower'
  | 'clearEntries'
  | 'forgetLineage'
  | 'databaseNames'
  | 'startDatabase'
  | 'isCold'
  | 'inject'
  | 'release'
  | 'hits'
>;

interface WatchablePair {
  vcl2: WatchedMachine;
  vcl3: WatchedMachine;
  remove(): Promise<void>;
}

/** A pair in processes of its own. @see watch */
export const watchedPair = (options: () => PairOptions = () => ({})) =>
  watch((): Promise<Pair> => {
    const { env, ...machines } = options();
    // An app that cannot start is found out sooner, and started again.
    const sooner = { APP_RESTART_AFTER: '500ms', APP_START_TIMEOUT: '5s' };
    return startPair({ ...machines, env: { ...sooner, ...env } });
  });

/** A pair in the tests' own process, without PostgreSQL. @see watch */
export const watchedInProcessPair = (env?: Record<string, string>) => {
  beforeEach(({ task }) => {
    task.meta.isInProcess = true;
  });
  return watch(() => startInProcessPair(env));
};

/**
 * A pair for all cases of a list. It is watched all the time: both apps must never answer at once. A case may move the
 * role, so the next one begins with whichever node serves then. After a failed case the next one gets a new pair.
 */
const watch = <P extends WatchablePair>(start: () => Promise<P>) => {
  type M = P['vcl2'] & P['vcl3'];
  vi.setConfig({ testTimeout: 4 * PATIENCE });
  let pair: P | undefined;
  let primary: M | undefined;
  let guard: Watch | undefined;
  let acknowledged: string[] = [];

  const end = async () => {
    await guard?.stop();
    await pair?.remove();
    pair = undefined;
  };
  beforeEach(async ({ onTestFailed }) => {
    onTestFailed(end);
    if (pair !== undefined) return;
    pair = await start();
    primary = pair.vcl2;
    // Without the seeds of the first start, a second seeding shows.
    await primary.clearEntries();
    acknowledged = [];
    await idle(pair);
    guard = watchBoth(pair);
  });
  afterAll(end);

  const present = (): { pair: P; primary: M; standby: M } => {
    if (pair === undefined || primary === undefined) throw new Error('the pair was not started');
    return { pair, primary, standby: primary === pair.vcl2 ? pair.vcl3 : pair.vcl2 };
  };
  return {
    /** The machine that serves when the case begins. */
    get primary() {
      return present().primary;
    },
    get standby() {
      return present().standby;
    },
    /** Both, as they were started. */
    get machines() {
      return present().pair;
    },
    /** Writes through the primary. */
    write: async (text: string): Promise<void> => {
      if (await present().primary.write(text)) acknowledged.push(text);
      else throw new Error(`${text} was not acknowledged`);
    },
    /**
     * Waits for the end that every cut has to have without a person's help: one machine serves all acknowledged writes,
     * and the other one is a cold standby of the same epoch. Resolves to the machine that serves.
     */
    settled: async (): Promise<M> => {
      const { primary: first, standby: second } = present();
      const { machine, other } = await eventually(
        'one node serves and the other one is a standby with nothing to do',
        async () => {
          // Both are looked at in every round: a takeover that goes on may still change which of them it is.
          for (const [candidate, next] of [
            [first, second],
            [second, first],
          ] as const)
            if ((await serves(candidate)) && (await standsBy(next, candidate)))
              return { machine: candidate, other: next };
          return undefined;
        },
        PATIENCE,
      );
      expect(await machine.entries()).toEqual(acknowledged);
      expect(await other.entries()).toBeUndefined();
      expect(guard?.bothServed).toEqual([]);
      primary = machine;
      return machine;
    },
  };
};

/** Its agent may not have noticed yet that the app lost its database. */
const serves = async (machine: WatchedMachine): Promise<boolean> => {
  const { status } = await machine.agent.get('/primary');
  const isIdle = (await machine.agent.status()).operation === null;
  return status === 200 && isIdle && (await machine.entries()) !== undefined;
};

const standsBy = async (machine: WatchedMachine, primary: WatchedMachine): Promise<boolean> => {
  const { epoch } = await primary.agent.status();
  const { mode, operation, epoch: known, problems } = await machine.agent.status();
  const isStandingDown = problems.includes('standing-down');
  return mode === 'standby' && operation === null && known === epoch && !isStandingDown;
};

/** What test cases use of a pair, with real processes or in process. */
export type WatchedPair = Pick<
  ReturnType<typeof watch<WatchablePair>>,
  'primary' | 'standby' | 'write' | 'settled'
>;

const idle = ({ vcl2, vcl3 }: WatchablePair) =>
  eventually('both agents have nothing to do', async () => {
    const [two, three] = await Promise.all([vcl2.agent.status(), vcl3.agent.status()]);
    return two.operation === null && three.operation === null;
  });

interface Watch {
  /** When both apps answered at once. */
  bothServed: string[];
  stop(): Promise<void>;
}

const watchBoth = ({ vcl2, vcl3 }: WatchablePair): Watch => {
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

/**
 * Asks `machine` for the operation until the fault has struck `victim`. Asks again when the operation was refused or
 * ended before the fault: the agent may still be busy with something more urgent. Resolves to the id of the operation.
 */
export const provoke = async (
  machine: WatchedMachine,
  path: string,
  victim: WatchedMachine,
  cut: FaultRule,
  body?: object,
): Promise<string> => {
  let asked: OperationRecord | undefined;
  await eventually(
    `${path} on ${machine.agent.name} meets the fault`,
    async () => {
      if (asked?.id) asked = await machine.agent.operation(asked.id).catch(() => asked);
      // Hits first: a fault is recorded before its operation ends.
      if ((await victim.hits()).length > 0) return true;
      if (asked?.id && !hasEnded(asked)) return false;
      asked = (await machine.agent.post<OperationRecord>(path, body)).body;
      return false;
    },
    PATIENCE,
  ).catch((cause) => {
    throw new Error(`the last answer was ${JSON.stringify(asked)}`, { cause });
  });
  await strikes(victim, cut);
  return asked?.id ?? '';
};

/** Repeats the request until its operation ends as done. */
export const succeed = (
  machine: WatchedMachine,
  path: string,
  command?: object,
): Promise<OperationRecord> =>
  eventually(`${path} on ${machine.agent.name} is done`, async () => {
    const { body } = await machine.run(path, command);
    return body.state === 'done' ? body : undefined;
  });

/** Starts a killed agent again, as its service manager would. */
export const revive = async (machine: Pick<WatchedMachine, 'agent'>): Promise<void> => {
  if (machine.agent.isRunning) return;
  await machine.agent.start();
};

/** Waits until this fault, and no other, has struck there. An agent that it kills has ended by then. */
export const strikes = async (machine: WatchedMachine, cut: FaultRule): Promise<void> => {
  await eventually(
    `the fault strikes ${machine.agent.name}`,
    async () => (await machine.hits()).length > 0,
  );
  expect(await machine.hits()).toEqual([`${cut.label} ${cut.moment} ${cut.action}`]);
  if (cut.action === 'kill') await machine.agent.exited();
};
