import type { Focus } from './focus.js';
import { press, send } from './people.js';
import { comeBack, forAWhile, type Trouble } from './trouble.js';
import { breakAppOf, cutWays } from './troubles.js';
import type { World } from './world.js';

export const THEMES = {
  handovers: (world) => handOver(world),
  failovers: (world) => failOver(world),
  outages: (world) => loseMachine(world),
  partitions: (world) => partition(world),
  'forced takeovers': (world) => force(world),
  'lost agents': (world) => loseAgent(world),
  'bad releases': (world) => releaseBadly(world),
  'a lonely primary': (world) => isolate(world),
} satisfies Record<string, Trouble>;

const NAMES = Object.keys(THEMES) as (keyof typeof THEMES)[];

/** What some schedules are about besides: otherwise the rarer operations would hardly ever be cut. */
export const startTheme = (world: World, focus: Focus): void => {
  const { random, timeline, options } = world;
  const theme = focus.theme ?? random.pick([undefined, ...NAMES]);
  if (theme === undefined) return;
  const next = () => {
    if (timeline.now > options.unrest) return;
    timeline.after(random.between(20_000, 60_000), next);
    THEMES[theme](world);
  };
  timeline.after(random.between(20_000, 40_000), next);
};

const handOver: Trouble = (world) => {
  const machine = world.serving();
  if (machine?.node === undefined) return;
  world.fault('operator', machine.name, 'demote');
  send(world, machine, press(world, machine.node, 'demote'));
};

const failOver: Trouble = (world) => {
  const machine = world.serving();
  if (machine !== undefined)
    breakAppOf(world, machine, world.random.pick(['it is killed', 'it cannot start']));
};

/** For long enough that the other one takes over. */
const loseMachine: Trouble = (world) => {
  const machine = world.serving();
  if (machine === undefined) return;
  world.fault('power lost', machine.name);
  machine.losePower();
  comeBack(world, machine, world.random.between(30_000, 120_000));
};

/** Its app goes on. */
const loseAgent: Trouble = (world) => {
  const machine = world.serving();
  if (machine === undefined) return;
  world.fault('agent killed', machine.name);
  machine.killAgent();
  comeBack(world, machine, world.random.between(30_000, 90_000));
};

/** Somebody who does not want to wait any longer. */
const force: Trouble = (world) => {
  const standby = world.machines.find(({ node }) => node?.state.current.mode === 'standby');
  if (standby?.node === undefined) return;
  world.fault('operator', standby.name, 'force');
  send(world, standby, press(world, standby.node, 'force'));
};

/** The same mistake on both servers: no takeover helps. */
const releaseBadly: Trouble = (world) => {
  world.fault('bad release');
  for (const { app } of world.machines) app.isSick = true;
  forAWhile(world, 120_000, 180_000, () => {
    for (const { app } of world.machines) app.isSick = false;
  });
};

/**
 * The two cannot reach each other for long. Either the users do not reach the one that serves until the other one restores;
 * or it loses its power, and boots while the other one serves.
 */
const isolate: Trouble = (world) => {
  const machine = world.serving();
  if (machine === undefined) return;
  const { random } = world;
  const mend = cutWays(world, [
    ['vcl2', 'vcl3'],
    ['vcl3', 'vcl2'],
  ]);
  forAWhile(world, 90_000, 150_000, mend);
  if (random.chance(0.5)) {
    world.fault('power lost', machine.name);
    machine.losePower();
    comeBack(world, machine, random.between(30_000, 50_000));
    return;
  }
  const outside = cutWays(world, [
    [machine.name, 'outside'],
    ['outside', machine.name],
  ]);
  const label = random.pick(['promote.choose-backup', 'promote.start-database', 'promote.restore']);
  world.stepFaults.push({ label, moment: 'before', action: 'users return' });
  forAWhile(world, 90_000, 150_000, outside);
};

/** The link between the two is cut for long, and healed at the worst moment: after the fence, before the commit. */
const partition: Trouble = (world) => {
  const mend = cutWays(world, [
    ['vcl2', 'vcl3'],
    ['vcl3', 'vcl2'],
  ]);
  const label = world.random.pick([
    'promote.rescue',
    'promote.restore',
    'promote.swap',
    'promote.fence-again',
  ]);
  world.stepFaults.push({ label, moment: 'before', action: 'links mended' });
  // Long enough for a takeover to come to the fence.
  forAWhile(world, 60_000, 150_000, mend);
};
