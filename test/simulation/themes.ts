import { press, send } from './people.js';
import { forAWhile, type Trouble } from './trouble.js';
import { breakAppOf, cutWays } from './troubles.js';

/** What some schedules are about besides: otherwise the rarer operations would hardly ever be cut. */
export const startTheme: Trouble = (world) => {
  const { random, timeline, options } = world;
  const theme = random.pick([undefined, handOver, failOver, partition]);
  if (theme === undefined) return;
  const next = () => {
    if (timeline.now > options.unrest) return;
    timeline.after(random.between(20_000, 60_000), next);
    theme(world);
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
  forAWhile(world, 20_000, 60_000, mend);
};
