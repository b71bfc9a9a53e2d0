import type { Machine } from './machine.js';
import type { Site } from './network.js';
import { hearAndServe } from './peer.js';
import { callWebhook, pressButton } from './people.js';
import { anyOf, comeBack, forAWhile, type Trouble } from './trouble.js';
import type { World } from './world.js';

/** How often each happens: the numbers are weights. */
export const TROUBLES = {
  'agent killed': { weight: 10, trouble: (world) => crashAgent(world) },
  'agent restarted': { weight: 3, trouble: (world) => restartAgent(world) },
  'power lost': { weight: 6, trouble: (world) => losePower(world) },
  'database killed': { weight: 5, trouble: (world) => killDatabase(world) },
  'app broken': { weight: 8, trouble: (world) => breakApp(world) },
  'app started by somebody else': { weight: 4, trouble: (world) => startAppBehindTheBack(world) },
  'links cut': { weight: 10, trouble: (world) => cutLinks(world) },
  'network weak': { weight: 5, trouble: (world) => weakenNetwork(world) },
  'machine slow': { weight: 4, trouble: (world) => slowDown(world) },
  'disk full': { weight: 2, trouble: (world) => fillDisk(world) },
  'commands fail': { weight: 3, trouble: (world) => sicken(world) },
  'button pressed': { weight: 15, trouble: pressButton },
  webhook: { weight: 6, trouble: callWebhook },
  'clock set': { weight: 2, trouble: (world) => setClock(world) },
  'backup rotten': { weight: 1, trouble: (world) => rotBackup(world) },
  'state lost': { weight: 0.5, trouble: (world) => loseState(world) },
  'machine rewound': { weight: 0.5, trouble: (world) => rewind(world, false) },
  'state rewound': { weight: 0.5, trouble: (world) => rewind(world, true) },
  'clone heard': { weight: 1, trouble: (world) => hearClone(world) },
  'volume recreated': { weight: 0.3, trouble: (world) => recreateVolume(world) },
} satisfies Record<string, { weight: number; trouble: Trouble }>;

const crashAgent: Trouble = (world) => {
  const machine = anyOf(world);
  if (machine.agent === undefined) return;
  world.fault('agent killed', machine.name);
  machine.killAgent();
  const { random } = world;
  comeBack(world, machine, random.chance(0.8) ? random.between(500, 10_000) : 60_000);
};

/** As a service manager does it: SIGTERM, and a new start. */
const restartAgent: Trouble = (world) => {
  const machine = anyOf(world);
  const { node } = machine;
  if (node === undefined) return;
  world.fault('agent restarted', machine.name);
  const { agent } = machine;
  if (agent) agent.isListening = false;
  node.runner.stop().then(() => {
    if (machine.agent !== agent) return;
    machine.killAgent();
    comeBack(world, machine, world.random.between(500, 3_000));
  });
};

const losePower: Trouble = (world) => {
  const machine = anyOf(world);
  const { random } = world;
  if (!machine.isUp) return;
  world.fault('power lost', machine.name);
  machine.losePower();
  const after = random.between(3_000, 90_000);
  if (random.chance(0.3)) {
    // A restart policy that somebody forgot to turn off (H08).
    world.timeline.after(after, () => {
      if (!machine.isUp) return;
      world.fault('stale app after a reboot', machine.name);
      machine.server.start();
      machine.app.start('somebody else', random.between(300, 5_000));
    });
    world.timeline.after(after - 1, () => {
      machine.isUp = true;
    });
    comeBack(world, machine, after + random.between(0, 20_000));
  } else comeBack(world, machine, after);
};

const killDatabase: Trouble = (world) => {
  const machine = anyOf(world);
  world.fault('database killed', machine.name);
  machine.killDatabase();
  if (world.random.chance(0.3)) {
    machine.server.isBroken = true;
    forAWhile(world, 5_000, 60_000, () => {
      machine.server.isBroken = false;
    });
  }
};

const HOW_APPS_BREAK = ['it is killed', 'it cannot start', 'it answers 500'] as const;

const breakApp: Trouble = (world) =>
  breakAppOf(world, anyOf(world), world.random.pick(HOW_APPS_BREAK));

export const breakAppOf = (
  world: World,
  machine: Machine,
  how: (typeof HOW_APPS_BREAK)[number],
): void => {
  world.fault('app broken', machine.name, how);
  if (how === 'it answers 500') machine.app.isSick = true;
  else machine.app.stop();
  if (how === 'it cannot start') machine.app.isBroken = true;
  forAWhile(world, 5_000, 120_000, () => {
    machine.app.isBroken = false;
    machine.app.isSick = false;
  });
};

const startAppBehindTheBack: Trouble = (world) => {
  const machine = anyOf(world);
  if (!machine.isUp) return;
  world.fault('app started by somebody else', machine.name);
  machine.server.start();
  machine.app.start('somebody else', world.random.between(300, 3_000));
};

const cutLinks: Trouble = (world) => {
  const { random } = world;
  const pairs = random.pick<[Site, Site][]>([
    [['vcl2', 'vcl3']],
    [['vcl2', 'vcl3']],
    [
      ['vcl2', 'vcl3'],
      ['vcl2', 'outside'],
    ],
    [
      ['vcl2', 'vcl3'],
      ['vcl3', 'outside'],
    ],
    [['vcl2', 'outside']],
    [['vcl3', 'outside']],
  ]);
  const isOneWay = random.chance(0.25);
  const ways = pairs.flatMap(([a, b]): [Site, Site][] =>
    isOneWay
      ? [random.chance(0.5) ? [a, b] : [b, a]]
      : [
          [a, b],
          [b, a],
        ],
  );
  forAWhile(world, 3_000, 120_000, cutWays(world, ways));
};

/** Returns what mends them. */
export const cutWays = (world: World, ways: [Site, Site][]): (() => void) => {
  const { network } = world;
  const isOneWay = ways.every(([a, b]) => !ways.some(([from, to]) => from === b && to === a));
  world.fault(isOneWay ? 'link cut one way' : 'link cut', 'world', JSON.stringify(ways));
  for (const [from, to] of ways) network.cut(from, to);
  return () => {
    for (const [from, to] of ways) network.mend(from, to);
    world.tell('world', () => `links mended ${JSON.stringify(ways)}`);
  };
};

const weakenNetwork: Trouble = (world) => {
  const { random, network } = world;
  world.fault('network weak');
  network.lossRate = random.pick([0, 0.05, 0.2]);
  network.duplicateRate = random.pick([0, 0.2, 0.5]);
  network.slowest = random.pick([20, 500, 4_000]);
  forAWhile(world, 5_000, 90_000, () => {
    network.lossRate = 0;
    network.duplicateRate = 0;
    network.slowest = 20;
  });
};

const slowDown: Trouble = (world) => {
  const machine = anyOf(world);
  world.fault('machine slow', machine.name);
  machine.health.slowness = world.random.between(2, 15);
  machine.disk.slowness = world.random.between(2, 200);
  forAWhile(world, 5_000, 60_000, () => {
    machine.health.slowness = 1;
    machine.disk.slowness = 1;
  });
};

const fillDisk: Trouble = (world) => {
  const machine = anyOf(world);
  world.fault('disk full', machine.name);
  fillDiskOf(world, machine);
};

export const fillDiskOf = (world: World, machine: Machine): void => {
  machine.disk.isFull = true;
  forAWhile(world, 1_000, 40_000, () => {
    machine.disk.isFull = false;
  });
};

const sicken: Trouble = (world) => {
  const machine = anyOf(world);
  world.fault('commands fail', machine.name);
  machine.health.sickness = world.random.pick([0.05, 0.3]);
  forAWhile(world, 5_000, 60_000, () => {
    machine.health.sickness = 0;
  });
};

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const setClock: Trouble = (world) => {
  const machine = anyOf(world);
  // Two hours make a backup too old; a new machine may begin years ago.
  const wrong = world.random.pick([-HOUR, HOUR, 3 * DAY, -3 * 365 * DAY]);
  machine.clockError = machine.clockError === 0 ? wrong : 0;
  world.fault('clock set', machine.name, `${machine.clockError} ms wrong`);
};

const rotBackup: Trouble = (world) => {
  const machine = anyOf(world);
  const directory = `/${machine.name}/backups`;
  const names = machine.disk.list(directory);
  // Committed ones: before that, its digest would have found it out.
  const dumps = names.filter(
    (name) => name.endsWith('.dump') && names.includes(name.replace('.dump', '.json')),
  );
  const [first, ...rest] = dumps;
  if (first === undefined) return;
  const name = world.random.pick([first, ...rest]);
  world.fault('backup rotten', machine.name, name);
  machine.disk.rot(`${directory}/${name}`);
};

/** One file of the state is gone, or both. Of one node only: when both have lost it, a person has to decide. */
const loseState: Trouble = (world) => {
  const machine = anyOf(world);
  const { random, oracle } = world;
  if (oracle.stateOf(machine)?.lineage == null || !oracle.mayLoseState(machine)) return;
  // With the volume, nobody is left who knows that it was not always like this.
  if (oracle.isWiped(machine)) return;
  const isCopyLost = random.chance(0.7);
  world.fault('state lost', machine.name, isCopyLost ? 'with its copy' : '');
  machine.killAgent();
  machine.disk.files.delete(`/${machine.name}/state.json`);
  if (isCopyLost) {
    machine.disk.files.delete(`/${machine.name}/state.copy.json`);
    oracle.losingState(machine);
  }
  comeBack(world, machine, random.between(500, 5_000));
};

/** A machine is restored from a snapshot, or its state directory from a copy. Once, and of one node only, as above. */
const rewind = (world: World, isStateOnly: boolean): void => {
  const machine = anyOf(world);
  const { random, oracle, timeline, options } = world;
  if (oracle.stateOf(machine)?.lineage == null) return;
  const snapshot = machine.snapshot();
  const after = random.between(10_000, 90_000);
  timeline.after(after, () => {
    if (timeline.now > options.unrest || !oracle.mayLoseState(machine)) return;
    if (oracle.hasLostState(machine) || oracle.isWiped(machine)) return;
    world.fault(isStateOnly ? 'state rewound' : 'machine rewound', machine.name, `${after} ms`);
    machine.losePower();
    oracle.rewinding(machine, () => machine.rewind(snapshot, isStateOnly));
    comeBack(world, machine, random.between(1_000, 20_000));
  });
};

/** A clone of the other node, which has gone on by itself, sends something. */
const hearClone: Trouble = (world) => {
  const { node } = anyOf(world);
  // Before it has asked, it takes whoever sends for the other node (H03).
  if (node?.peerView.instance === undefined) return;
  world.fault('clone heard', node.settings.nodeName);
  const epoch = node.state.current.epoch + world.random.integer(1, 2);
  const message = { refusesStaleEpoch: true, bringsBackup: true } as const;
  const instance = world.random.hex(32);
  void hearAndServe(node, { ...message, epoch, instance }, () => undefined);
};

/** A deploy gone wrong: the machine comes back with a new, empty database, and somebody starts its app (H16). */
const recreateVolume: Trouble = (world) => {
  const machine = anyOf(world);
  const { random, timeline } = world;
  // Before it was adopted, nobody can tell seeds from production data.
  if (world.oracle.stateOf(machine)?.lineage == null || world.oracle.hasLostState(machine)) return;
  world.fault('volume recreated', machine.name);
  world.oracle.wiping(machine);
  machine.losePower();
  machine.recreateVolume();
  comeBack(world, machine, random.between(1_000, 10_000));
  timeline.after(random.between(10_000, 30_000), () => {
    if (!machine.isUp) return;
    machine.server.start();
    machine.app.start('somebody else', 1_000);
  });
};
