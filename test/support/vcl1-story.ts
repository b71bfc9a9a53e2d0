import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { OperationRecord } from '../../src/domain/operation.js';
import { eventually, type Machine, type Pair, serves, standsBy, startPair } from './pair.js';
import { type Balancer, startVcl1, type Vcl1 } from './vcl1.js';
import { startWriters, type Write, type Writers } from './writers.js';

/** Milliseconds from the new primary's first 200 to the first write that it confirms through VCL1. */
const SWITCH = 2_000;
const WRITERS = 4;
/** Milliseconds for a test: several takeovers on a busy machine. */
const PATIENCE = 180_000;
/** Milliseconds between two checks of what is timed. */
const TICK = 20;

/** What every load balancer has to do. The tests follow one another on one pair. */
export const tellVcl1Story = (balancer: Balancer): void => {
  let pair: Pair;
  let vcl1: Vcl1;
  let writers: Writers;
  let clock: StallClock;
  /** When which machine was allowed to answer. */
  const reigns: Reign[] = [];

  beforeAll(async () => {
    pair = await startPair({ start: false, env: { APP_RESTART_AFTER: '500ms' } });
    clock = startStallClock();
  });
  afterAll(async () => {
    clock?.stop();
    await writers?.stop();
    await vcl1?.close();
    await pair?.remove();
  });

  const portOf = ({ appUrl }: Machine) => Number(new URL(appUrl).port);
  const confirmedBy = (machine: Machine, since = 0) =>
    writers.writes.filter(
      ({ status, by, began }) => status === 201 && by === portOf(machine) && began >= since,
    );
  const keepsWriting = (machine: Machine, since = Date.now()) =>
    eventually(
      `${machine.agent.name} confirms writes through VCL1`,
      async () => confirmedBy(machine, since).length > 20 && confirmedBy(machine, since),
    );

  const endReign = (at: number) => {
    const reign = reigns.at(-1);
    if (reign !== undefined) reign.to = at;
  };
  /** Lets `machine` take over, and measures how soon the load balancer follows its agent. */
  const takesOver = async (machine: Machine, act: () => Promise<unknown>): Promise<void> => {
    const asked = Date.now();
    const word = firstWord(machine);
    await act();
    const said = await word;
    const promote = await eventually(`${machine.agent.name} has taken over`, () =>
      machine.lastOperation('promote', 'done'),
    );
    reigns.push({ by: portOf(machine), from: timeOf(promote, 'commit-role', 'startedAt') });
    const [first] = await keepsWriting(machine, asked);
    const took = (first?.ended ?? Number.NaN) - said;
    const stalled = clock.between(said, said + took);
    console.log(
      `${balancer}: ${machine.agent.name} is believed after ${took} ms, ${stalled} stalled`,
    );
    expect(took - stalled).toBeLessThan(SWITCH);
  };
  const handOver = (from: Machine, to: Machine): Promise<void> =>
    takesOver(to, async () => {
      const handover = await from.do('/demote');
      endReign(timeOf(handover, 'freeze', 'endedAt'));
    });

  test(
    'it starts while nobody is primary, says so, and finds the first primary',
    async () => {
      vcl1 = await startVcl1(balancer, pair);
      expect((await fetch(vcl1.url)).status).toBe(503);
      await Promise.all([pair.vcl2.agent.start(), pair.vcl3.agent.start()]);
      reigns.push({ by: portOf(pair.vcl2), from: Date.now() });
      writers = startWriters(vcl1.url, WRITERS);
      await keepsWriting(pair.vcl2);
    },
    PATIENCE,
  );

  test(
    'it sends nothing to an app that somebody else started, also when a write fails half-way',
    async () => {
      const { vcl2, vcl3 } = pair;
      await vcl3.agent.kill();
      await vcl3.database.start();
      await vcl3.database.psql('CREATE DATABASE ledger');
      await vcl3.startByOthers();
      await keepsWriting(vcl2);
      vcl2.killApp();
      await keepsWriting(vcl2);
      expect(await vcl3.entries()).toEqual(['SEED']);
      await vcl3.agent.start();
      await standsBy(vcl3);
    },
    PATIENCE,
  );

  test(
    'it follows a handover and the one back, also with a connection that stays',
    async () => {
      const { vcl2, vcl3 } = pair;
      const { response, socket } = await upgrade(vcl1.url);
      expect(response.headers['ledger-port']).toBe(`${portOf(vcl2)}`);
      const ended = once(socket, 'close');
      await handOver(vcl2, vcl3);
      await ended;
      await standsBy(vcl2);
      await handOver(vcl3, vcl2);
      await standsBy(vcl3);
    },
    PATIENCE,
  );

  test(
    'it turns everybody away while the agent is dead, although the app answers',
    async () => {
      const { vcl2 } = pair;
      await vcl2.agent.kill();
      await eventually('VCL1 says 503', async () => (await fetch(vcl1.url)).status === 503);
      expect(await vcl2.entries()).toContain('SEED');
      await vcl2.agent.start();
      await serves(vcl2);
      await keepsWriting(vcl2);
    },
    PATIENCE,
  );

  test(
    'it follows a promote after a power loss, and ignores a stale app',
    async () => {
      const { vcl2, vcl3 } = pair;
      const backup = await vcl2.do('/backups');
      await keepsWriting(vcl2);
      await vcl2.losePower();
      endReign(Date.now());
      await takesOver(vcl3, () => vcl3.do('/promote'));

      await vcl2.startByOthers();
      await keepsWriting(vcl3);
      const left = new Set(await vcl2.entries());
      await vcl2.agent.start();
      await standsBy(vcl2);
      await keepsWriting(vcl3);
      await writers.stop();

      const { writes } = writers;
      const kept = (await vcl3.entries()) ?? [];
      const isKept = new Set(kept);
      // A write without an answer was under way when VCL1 gave its server up. Nobody confirmed it.
      const isRefused = ({ status }: Write) => status === 0 || status >= 500;
      expect(writes.filter((write) => write.by === undefined && !isRefused(write))).toEqual([]);
      expect(writes.filter((write) => !isWithin(reigns, write))).toEqual([]);
      expect(kept).toHaveLength(isKept.size);
      // Only what VCL2 confirmed after its last backup is missing, and that is all on its disk.
      const missing = writes.filter(({ text, status }) => status === 201 && !isKept.has(text));
      expect(missing.length).toBeGreaterThan(0);
      expect(missing.every(({ text, by }) => by === portOf(vcl2) && left.has(text))).toBe(true);
      const saved = Date.parse(backup.startedAt);
      expect(missing.filter(({ ended }) => ended < saved)).toEqual([]);
    },
    PATIENCE,
  );
};

interface Reign {
  by: number;
  from: number;
  to?: number;
}

/** An answer of an app fits when that app was the primary's at some moment of the request. */
const isWithin = (reigns: Reign[], { by, began, ended }: Write): boolean =>
  by === undefined ||
  reigns.some((reign) => reign.by === by && ended >= reign.from && began <= (reign.to ?? ended));

const timeOf = ({ steps }: OperationRecord, name: string, end: 'startedAt' | 'endedAt'): number => {
  const step = steps.findLast((candidate) => candidate.name === name);
  return Date.parse(step?.[end] ?? '');
};

/** When the agent's GET /primary turned to 200: at the latest look that still said no. Resolves once it says yes. */
const firstWord = async ({ agent }: Machine): Promise<number> => {
  for (;;) {
    const at = Date.now();
    await pause(TICK);
    if ((await agent.get('/primary')).status === 200) return at;
  }
};

const upgrade = async (url: string): Promise<{ response: IncomingMessage; socket: Socket }> => {
  const sent = request(url, { headers: { Connection: 'Upgrade', Upgrade: 'ledger' } }).end();
  const [response, socket] = (await once(sent, 'upgrade')) as [IncomingMessage, Socket];
  socket.on('error', () => {}).resume();
  return { response, socket };
};

interface StallClock {
  /** Milliseconds in this span during which this process was ready to run but got no CPU. */
  between(from: number, to: number): number;
  stop(): void;
}

/** Time that a busy machine takes from this process is not the load balancer's fault, and must not hide a fault. */
const startStallClock = (): StallClock => {
  const stalls: { at: number; late: number }[] = [];
  let due = Date.now() + TICK;
  const timer = setInterval(() => {
    const at = Date.now();
    if (at - due > TICK) stalls.push({ at, late: at - due });
    due = at + TICK;
  }, TICK);
  return {
    between: (from, to) =>
      stalls.filter(({ at }) => at >= from && at <= to).reduce((sum, { late }) => sum + late, 0),
    stop: () => clearInterval(timer),
  };
};
