import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hasEnded } from '../../src/domain/operation.js';
import { describeClock, MachineClock } from '../support/clock.js';
import { liesPrepared, staysPrepared } from '../support/drilled.js';
import { held } from '../support/fault-rules.js';
import { eventually, type Machine } from '../support/pair.js';
import { sample } from '../support/sample.js';
import { STEPS } from '../support/step-names.js';
import { provoke, succeed, watchedPair } from '../support/watched-pair.js';

const HOUR = 3_600;

describeClock('the clock jumps by an hour before every step of an operation', () => {
  let directory = '';
  let clocks: Record<'vcl2' | 'vcl3', MachineClock>;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'coldspare-clock-'));
    clocks = {
      vcl2: new MachineClock(join(directory, 'vcl2')),
      vcl3: new MachineClock(join(directory, 'vcl3')),
    };
    await Promise.all(Object.values(clocks).map((clock) => clock.set(0)));
  });
  // Before the pair's own, so that it runs after it.
  afterAll(() => rm(directory, { recursive: true }));
  const pair = watchedPair(() => ({
    vcl2: clocks.vcl2.environment,
    vcl3: clocks.vcl3.environment,
  }));

  /** Asks for an operation, and sets the clock of `victim` forward and back in turn before each of its steps. */
  const jumpOnce = async (
    labels: string[],
    victim: Machine,
    asked: Machine,
    path: string,
    first: number,
  ) => {
    const clock = clocks[victim.agent.name as 'vcl2' | 'vcl3'];
    let offset = first;
    const [step, ...others] = held(labels);
    if (step === undefined) throw new Error('there are no steps');
    await victim.inject([step]);
    const id = await provoke(asked, path, victim, step);
    for (const next of others) {
      await clock.set(offset);
      offset = -offset;
      await victim.inject([next]);
      await eventually(`${next.label} is reached, or the operation has ended`, async () => {
        return (await victim.hits()).length > 0 || hasEnded(await victim.agent.operation(id));
      });
    }
    await victim.release();
    await eventually('the operation has ended', async () =>
      hasEnded(await victim.agent.operation(id)),
    );
    await clock.set(0);
    return victim.agent.operation(id);
  };

  const jumpEverywhere = async (...how: Parameters<typeof jumpOnce>) => {
    // A takeover is refused as long as VCL2 tries to start its app.
    let ended = await jumpOnce(...how);
    while (ended.state === 'refused') ended = await jumpOnce(...how);
    const began = ended.steps.map(({ startedAt }) => Date.parse(startedAt));
    expect(Math.max(...began) - Math.min(...began)).toBeGreaterThan(HOUR * 1_000);
  };

  test.each(sample('clock steps: backup', [HOUR, -HOUR], 1))(
    'of a backup (first by %i s): the next one is complete',
    async (by) => {
      const { primary, standby } = pair;
      await pair.write(`a backup ${by}`);
      await jumpEverywhere(STEPS.backup, primary, primary, '/backups', by);
      expect(await pair.settled()).toBe(primary);
      const { result } = await succeed(primary, '/backups');
      expect((await standby.agent.status()).latestBackup?.id).toBe(result?.backup);
    },
  );

  test.each(sample('clock steps: handover', [HOUR, -HOUR], 1))(
    'of a handover, on the node that gives (first by %i s): the role changes hands',
    async (by) => {
      const { primary, standby } = pair;
      await pair.write(`giving ${by}`);
      await jumpEverywhere(STEPS.handover, primary, primary, '/demote', by);
      expect(await pair.settled()).toBe(standby);
    },
  );

  test.each(sample('clock steps: take-over', [HOUR, -HOUR], 1))(
    'of a handover, on the node that takes (first by %i s): the role changes hands',
    async (by) => {
      const { primary, standby } = pair;
      await pair.write(`taking ${by}`);
      await jumpEverywhere(STEPS.takeOver, standby, primary, '/demote', by);
      expect(await pair.settled()).toBe(standby);
    },
  );

  test.each(sample('clock steps: promote', [HOUR, -HOUR], 1))(
    'of a takeover (first by %i s): nothing is lost, the role changes hands',
    async (by) => {
      const { primary, standby } = pair;
      await pair.write(`taking over ${by}`);
      await primary.breakApp();
      await jumpEverywhere(STEPS.promote, standby, standby, '/promote', by);
      await primary.mendApp();
      expect(await pair.settled()).toBe(standby);
    },
  );

  // Each step meets a jump, and every other one a jump back; the two orders differ in nothing that a drill does.
  test('of a drill: it passes, and the hour is in none of its times', async () => {
    const { primary, standby } = pair;
    await liesPrepared(primary, standby);
    await staysPrepared(standby, () =>
      jumpEverywhere(STEPS.drill, standby, standby, '/drill', HOUR),
    );
    const { lastDrill } = await standby.agent.status();
    expect(lastDrill).toMatchObject({ passed: true });
    expect(lastDrill?.seconds.total).toBeLessThan(HOUR);
    expect(await pair.settled()).toBe(primary);
  });
});
