import type { Machine } from './machine.js';
import type { World } from './world.js';

/** Something that goes wrong, somewhere. */
export type Trouble = (world: World) => void;

export const anyOf = ({ random, vcl2, vcl3 }: World): Machine => random.pick([vcl2, vcl3]);

/** Ends a condition after a while, unless everything was mended before. */
export const forAWhile = (world: World, least: number, most: number, end: () => void): void => {
  world.timeline.after(world.random.between(least, most), end);
};

/** The machine gets its power back, and its service manager starts the agent. */
export const comeBack = (world: World, machine: Machine, after: number): void => {
  world.timeline.after(after, () => {
    machine.isUp = true;
    world.startAgent(machine);
  });
};
