import type { Focus } from './focus.js';
import { armSteps } from './step-faults.js';
import { startTheme } from './themes.js';
import { comeBack, type Trouble } from './trouble.js';
import { TROUBLES } from './troubles.js';
import type { World } from './world.js';

/** Injects faults until the unrest is over, then mends everything and starts what was stopped. */
export const startUnrest = (world: World, seed: number, focus: Focus): void => {
  const { random, timeline, options } = world;
  const mix = drawMix(world, focus);
  const next = () => {
    if (timeline.now > options.unrest) return;
    draw(world, mix)(world);
    timeline.after(random.between(0.1, 1.9) * options.quiet, next);
  };
  timeline.after(random.between(15_000, 45_000), next);
  armSteps(world, seed, focus);
  startTheme(world, focus);
  timeline.after(options.unrest, () => mend(world));
};

const mend = (world: World): void => {
  world.tell('world', () => 'ALL FAULTS END');
  world.network.mendAll();
  world.stepFaults.length = 0;
  for (const machine of world.machines) {
    machine.health.slowness = 1;
    machine.health.sickness = 0;
    machine.disk.slowness = 1;
    machine.disk.isFull = false;
    machine.app.isBroken = false;
    machine.app.isSick = false;
    machine.server.isBroken = false;
    machine.clockError = 0;
    comeBack(world, machine, 1_000);
  }
};

/** How often the trouble comes that a schedule is about. */
const FOCUSED = 30;

type Mix = { weight: number; trouble: Trouble }[];

/** Each schedule has its own mix: some troubles never, some often. All of them all the time would hide each other. */
const drawMix = ({ random }: World, { trouble: focus }: Focus): Mix =>
  Object.entries(TROUBLES).map(([name, { weight, trouble }]) => {
    const drawn = random.chance(0.4) ? 0 : weight * random.between(0.3, 3);
    return { weight: name === focus ? FOCUSED : drawn, trouble };
  });

const draw = ({ random }: World, mix: Mix): Trouble => {
  let left = random.next() * mix.reduce((sum, { weight }) => sum + weight, 0);
  for (const { weight, trouble } of mix) {
    left -= weight;
    if (left < 0) return trouble;
  }
  return () => {};
};
