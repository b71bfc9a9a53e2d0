import { dryRunDemote, dryRunPromote } from '../../src/operations/dry-run.js';
import type { Node } from '../../src/operations/node.js';
import {
  pause,
  requestBackup,
  requestDemote,
  requestPlannedPromote,
  requestPromote,
  unpause,
} from '../../src/operations/requests.js';
import type { Machine } from './machine.js';
import type { Site } from './network.js';
import { STEP_LABELS } from './step-labels.js';
import type { World } from './world.js';

type Trouble = (world: World) => void;

/** Injects faults until the unrest is over, then mends everything and starts what was stopped. */
export const startUnrest = (world: World, seed: number): void => {
  const { random, timeline, options } = world;
  world.onCut((machine) => comeBack(world, machine, random.between(1_000, 20_000)));
  const mix = drawMix(world);
  const next = () => {
    if (timeline.now > options.unrest) return;
    draw(world, mix)(world);
    timeline.after(random.between(0.1, 1.9) * options.quiet, next);
  };
  timeline.after(random.between(15_000, 45_000), next);
  armSteps(world, seed);
  startTheme(world);
  timeline.after(options.unrest, () => mend(world));
};

/** What some schedules are about besides: otherwise the rarer operations would hardly ever be cut. */
const startTheme = (world: World): void => {
  const { random, timeline, options } = world;
  const theme = random.pick([undefined, 'handovers', 'failovers'] as const);
  if (theme === undefined) return;
  const next = () => {
    if (timeline.now > options.unrest) return;
    timeline.after(random.between(20_000, 60_000), next);
    const machine = world.serving();
    if (machine?.node === undefined) return;
    if (theme === 'handovers') {
      world.fault('operator', machine.name, 'demote');
      send(world, machine, press(machine.node, 'demote', 0));
    } else breakAppOf(world, machine, random.pick(['it is killed', 'it cannot start'] as const));
  };
  timeline.after(random.between(20_000, 40_000), next);
};

/** Every schedule cuts agents at one or two steps of its own, so that all of them come up. */
const armSteps = (world: World, seed: number): void => {
  const { random } = world;
  for (let count = random.integer(0, 4); count >= 0; count -= 1) {
    const label = STEP_LABELS[(seed * 5 + count) % STEP_LABELS.length] as string;
    const moment = random.pick(['before', 'after'] as const);
    const action = random.pick(['crash', 'crash', 'power', 'fail'] as const);
    world.stepFaults.push({ label, moment, action });
  }
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

/** The machine gets its power back, and its service manager starts the agent. */
const comeBack = (world: World, machine: Machine, after: number): void => {
  world.timeline.after(after, () => {
    machine.isUp = true;
    world.startAgent(machine);
  });
};

/** [how often, what]: the numbers are weights. */
const TROUBLES: [number, Trouble][] = [
  [10, (world) => crashAgent(world)],
  [3, (world) => restartAgent(world)],
  [6, (world) => losePower(world)],
  [5, (world) => killDatabase(world)],
  [8, (world) => breakApp(world)],
  [4, (world) => startAppBehindTheBack(world)],
  [10, (world) => cutLinks(world)],
  [5, (world) => weakenNetwork(world)],
  [4, (world) => slowDown(world)],
  [2, (world) => fillDisk(world)],
  [3, (world) => sicken(world)],
  [15, (world) => pressButton(world)],
  [6, (world) => callWebhook(world)],
  [2, (world) => setClock(world)],
  [1, (world) => rotBackup(world)],
  [0.3, (world) => recreateVolume(world)],
];

/** Each schedule has its own mix: some troubles never, some often. All of them all the time would hide each other. */
const drawMix = ({ random }: World): [number, Trouble][] =>
  TROUBLES.map(([weight, trouble]) => [
    random.chance(0.4) ? 0 : weight * random.between(0.3, 3),
    trouble,
  ]);

const draw = ({ random }: World, mix: [number, Trouble][]): Trouble => {
  let left = random.next() * mix.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, trouble] of mix) {
    left -= weight;
    if (left < 0) return trouble;
  }
  return () => {};
};

const anyOf = ({ random, vcl2, vcl3 }: World): Machine => random.pick([vcl2, vcl3]);

/** Ends a condition after a while, unless everything was mended before. */
const forAWhile = (world: World, least: number, most: number, end: () => void): void => {
  world.timeline.after(world.random.between(least, most), end);
};

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

const breakAppOf = (world: World, machine: Machine, how: (typeof HOW_APPS_BREAK)[number]): void => {
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
  const { random, network } = world;
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
  world.fault(isOneWay ? 'link cut one way' : 'link cut', 'world', JSON.stringify(pairs));
  const ways = pairs.flatMap(([a, b]): [Site, Site][] =>
    isOneWay
      ? [random.chance(0.5) ? [a, b] : [b, a]]
      : [
          [a, b],
          [b, a],
        ],
  );
  for (const [from, to] of ways) network.cut(from, to);
  forAWhile(world, 3_000, 120_000, () => {
    for (const [from, to] of ways) network.mend(from, to);
    world.tell('world', () => `link mended ${JSON.stringify(pairs)}`);
  });
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

const setClock: Trouble = (world) => {
  const machine = anyOf(world);
  // Never further than that from the truth: two hours make a backup too old.
  machine.clockError = machine.clockError === 0 ? world.random.pick([-HOUR, HOUR]) : 0;
  world.fault('clock set', machine.name, `${machine.clockError} ms wrong`);
};

const rotBackup: Trouble = (world) => {
  const machine = anyOf(world);
  const directory = `/${machine.name}/backups`;
  const dumps = machine.disk.list(directory).filter((name) => name.endsWith('.dump'));
  const [first, ...rest] = dumps;
  if (first === undefined) return;
  const name = world.random.pick([first, ...rest]);
  world.fault('backup rotten', machine.name, name);
  machine.disk.rot(`${directory}/${name}`);
};

/** A deploy gone wrong: the machine comes back with a new, empty database, and somebody starts its app (H16). */
const recreateVolume: Trouble = (world) => {
  const machine = anyOf(world);
  const { random, timeline } = world;
  // Before it was adopted, nobody can tell seeds from production data.
  if (world.oracle.stateOf(machine)?.lineage == null) return;
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

/** What a person may do at 3 a.m., on either node, whether it makes sense or not. */
const pressButton: Trouble = (world) => {
  const { random } = world;
  const machine = anyOf(world);
  const { node } = machine;
  if (node === undefined) return;
  const button = random.pick([
    'promote',
    'promote',
    'force',
    'planned',
    'demote',
    'demote',
    'pause',
    'unpause',
    'backup',
    'dry-run',
  ] as const);
  world.fault('operator', machine.name, button);
  send(world, machine, press(node, button, random.between(0.3, 3)));
};

/** Whoever asks hears of a refusal and goes away. */
const send = (world: World, machine: Machine, request: Promise<unknown>): void => {
  request.catch((error: unknown) =>
    world.tell(machine.name, () => `whoever asked is told: ${String(error)}`),
  );
};

const press = (node: Node, button: string, minutes: number): Promise<unknown> => {
  const asker = { source: 'operator' as const };
  const command = { force: button === 'force', planned: false, dryRun: false, reason: 'a person' };
  switch (button) {
    case 'promote':
    case 'force':
      return requestPromote(node, command, asker);
    case 'planned':
      return requestPlannedPromote(node, { ...command, planned: true });
    case 'demote':
      return requestDemote(node, { reason: 'a person', dryRun: false }, asker);
    case 'pause':
      return pause(node, { minutes, reason: 'a deploy' });
    case 'unpause':
      return unpause(node);
    case 'backup':
      return requestBackup(node, { reason: 'a person' }, asker);
    default:
      return Promise.all([
        dryRunPromote(node, command),
        dryRunDemote(node, { reason: '', dryRun: true }),
      ]);
  }
};

/** An uptime checker that sees no service says so, now and then twice (T27). */
const callWebhook: Trouble = (world) => {
  const { random, timeline } = world;
  const machine = random.chance(0.8) ? world.vcl3 : world.vcl2;
  const call = () => {
    const { node } = machine;
    if (node === undefined || !world.network.isOpenBothWays('outside', machine.name)) return;
    world.fault('webhook', machine.name);
    const command = { force: false, planned: false, dryRun: false, reason: 'down' };
    send(world, machine, requestPromote(node, command, { source: 'webhook' }));
  };
  call();
  if (random.chance(0.5)) timeline.after(random.between(0, 5_000), call);
};
