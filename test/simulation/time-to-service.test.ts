import { describe, expect, test } from 'vitest';
import { foreseeTakeOver } from '../../src/domain/drill.js';
import type { OperationRecord } from '../../src/domain/operation.js';
import type { Machine } from './machine.js';
import { drawOptions, PEER_APP } from './options.js';
import { Random } from './random.js';
import { World } from './world.js';

const HOUR = 3_600_000;
/** Milliseconds that messages and the disk take in all, far less than any time-out. */
const MESSAGES = 250;

/** VCL2 serves, and its newest backup lies restored on VCL3. */
const calmWorld = async (seed: number, settings: Record<string, string>): Promise<World> => {
  const random = new Random(seed);
  const calm = {
    MONITOR: 'on',
    FAILBACK: 'manual',
    PREPARE: 'on-receive',
    WITNESS_URL: '',
    PRIMARY_CHECK_URL: PEER_APP,
    APP_START_TIMEOUT: '2m',
  };
  const options = drawOptions(random, { settings: { ...calm, ...settings } });
  const world = new World(random, { ...options, backupInterval: 10_000, drillInterval: HOUR });
  for (const machine of world.machines) world.startAgent(machine);
  const isReady = () => {
    const { prepared } = world.vcl3.node?.state.current ?? {};
    return prepared != null && world.vcl2.takesWrites && isIdle(world.vcl3);
  };
  await until(world, isReady);
  // Any moment between two checks.
  const lossAt = world.timeline.now + random.between(0, 10_000);
  world.timeline.after(lossAt - world.timeline.now, () => {});
  await until(world, () => world.timeline.now >= lossAt && isReady());
  return world;
};

const isIdle = ({ node }: Machine): boolean =>
  node !== undefined && node.runner.current === undefined;

const until = async ({ timeline }: World, isThere: () => boolean): Promise<void> => {
  await timeline.run(() => isThere() || timeline.now > HOUR);
  expect(isThere()).toBe(true);
};

/** Lets `strike` happen. Resolves to the takeover that follows, and what each part of it took, in milliseconds. */
const takeover = async (world: World, strike: (vcl2: Machine) => void) => {
  const { timeline, vcl2, vcl3 } = world;
  const clock = vcl3.node?.clock;
  const lostAt = clock?.now() ?? 0;
  const began = timeline.now;
  strike(vcl2);
  await until(world, () => vcl3.takesWrites);
  const served = timeline.now - began;
  await until(world, () => isIdle(vcl3));
  const promote = vcl3.node?.runner.list().find(({ kind }) => kind === 'promote');
  expect(promote).toMatchObject({ state: 'done', source: 'monitor' });
  const { steps, startedAt } = promote as OperationRecord;
  const took = (name: string): number => {
    const step = steps.find((candidate) => candidate.name === name);
    return Date.parse(step?.endedAt ?? '') - Date.parse(step?.startedAt ?? '');
  };
  return { detection: Date.parse(startedAt) - lostAt, took, served };
};

const PHASES = Array.from({ length: 25 }, (_, index) => index + 1);

describe.each([
  { settings: {}, interval: 5_000, timeout: 2_500, fenceAgain: 1_000 },
  { settings: { CHECK_INTERVAL: '1s' }, interval: 1_000, timeout: 500, fenceAgain: 500 },
])('from the loss of the primary to service, checked every $interval ms', (expected) => {
  const { settings, interval, timeout, fenceAgain } = expected;

  test('its machine is lost: nobody waits for it but three checks, and once more before the commit', async () => {
    for (const seed of PHASES) {
      const world = await calmWorld(seed, settings);
      const { detection, took, served } = await takeover(world, (vcl2) => vcl2.losePower());
      expect(detection).toBeGreaterThan(2 * interval);
      expect(detection).toBeLessThanOrEqual(3 * interval + timeout + MESSAGES);
      expect(took('confirm') + took('fence')).toBeLessThanOrEqual(MESSAGES);
      expect(took('fence-again')).toBeGreaterThanOrEqual(fenceAgain);
      expect(took('fence-again')).toBeLessThanOrEqual(timeout + MESSAGES);
      const foreseen = foreseeTakeOver({
        settings: (world.vcl3.node as NonNullable<Machine['node']>).settings,
        seconds: {
          start: took('start-database') / 1_000,
          restore: 9,
          verify: 9,
          query: 0,
          total: 9,
        },
        isPrepared: true,
        appStart: (took('start-app') + took('wait-for-app')) / 1_000,
      });
      expect(served).toBeLessThanOrEqual(foreseen.total * 1_000 + MESSAGES);
    }
  });

  test('only its agent and its app are gone: nobody waits for any answer', async () => {
    for (const seed of PHASES) {
      const world = await calmWorld(seed, settings);
      const { detection, took } = await takeover(world, (vcl2) => {
        vcl2.killAgent();
        vcl2.app.stop();
      });
      expect(detection).toBeLessThanOrEqual(3 * interval + MESSAGES);
      for (const step of ['confirm', 'fence', 'fence-again'])
        expect(took(step)).toBeLessThanOrEqual(MESSAGES);
    }
  });
});
