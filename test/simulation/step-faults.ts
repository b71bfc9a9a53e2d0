import type { Focus } from './focus.js';
import type { Machine } from './machine.js';
import { STEP_LABELS } from './step-labels.js';
import { comeBack } from './trouble.js';
import { fillDiskOf } from './troubles.js';
import type { World } from './world.js';

/** What happens to a machine, or to the links, when its agent comes to a step. */
const ACTIONS = {
  'agent killed': (world, machine) => {
    machine.killAgent();
    comeBack(world, machine, world.random.between(1_000, 20_000));
  },
  'power lost': (world, machine) => {
    machine.losePower();
    comeBack(world, machine, world.random.between(1_000, 20_000));
  },
  failure: () => {
    throw new Error('injected');
  },
  'disk full': fillDiskOf,
  'database killed': (_world, machine) => machine.killDatabase(),
  'links mended': ({ network }) => {
    network.mend('vcl2', 'vcl3');
    network.mend('vcl3', 'vcl2');
  },
  'users return': ({ network }) => {
    for (const name of ['vcl2', 'vcl3'] as const) {
      network.mend(name, 'outside');
      network.mend('outside', name);
    }
  },
} satisfies Record<string, (world: World, machine: Machine) => void>;

export interface StepFault {
  label: string;
  moment: 'before' | 'during' | 'after';
  action: keyof typeof ACTIONS;
}

/** @throws Error when that is what is to happen */
export const strike = (world: World, machine: Machine, { action }: StepFault): void =>
  ACTIONS[action](world, machine);

/** Every schedule cuts agents at one or two steps of its own, so that all of them come up. */
export const armSteps = (world: World, seed: number, focus: Focus): void => {
  const { random } = world;
  for (let count = random.integer(0, 4); count >= 0; count -= 1) {
    // However many steps there are, each has its turn as often as any other.
    const own = STEP_LABELS[(seed + 13 * count) % STEP_LABELS.length] as string;
    const label = focus.step ?? own;
    const moment = random.pick(['before', 'after'] as const);
    const drawn = random.pick([
      'agent killed',
      'agent killed',
      'agent killed',
      'power lost',
      'power lost',
      'failure',
      'disk full',
      'database killed',
    ] as const);
    world.stepFaults.push({ label, moment, action: focus.action ?? drawn });
  }
};
