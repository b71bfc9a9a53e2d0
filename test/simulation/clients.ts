import type { Machine } from './machine.js';
import type { World } from './world.js';

/**
 * Clients that write all the time: most through the load balancer, some straight to a machine's app because they
 * remember its address (H08, H21).
 */
export const startClients = (world: World): void => {
  const { random, timeline, network, oracle } = world;
  let row = 1_000;
  const write = () => {
    timeline.after(random.between(300, 5_000), write);
    const machine = random.chance(0.85) ? world.serving() : random.pick(pairOf(world));
    if (machine === undefined || !network.isOpen('outside', machine.name)) return;
    row += 1;
    send(machine, row);
  };
  const send = (machine: Machine, number: number) =>
    timeline.after(network.latency(), () => {
      if (!machine.takesWrites || !network.isOpen('outside', machine.name)) return;
      machine.app.write(number);
      oracle.writes.wrote(machine, number);
      // An answer that gets lost: the client does not know.
      if (network.isOpen(machine.name, 'outside') && !random.chance(network.lossRate))
        oracle.writes.acknowledged(number);
    });
  timeline.after(0, write);
};

const pairOf = ({ vcl2, vcl3 }: World): [Machine, Machine] => [vcl2, vcl3];
