import { createHash } from 'node:crypto';
import type { OperationKind } from '../../src/domain/operation.js';
import { isServing } from '../../src/serve/serving.js';
import { isProven } from '../../src/state/baseline.js';
import { activePause } from '../../src/status/node-status.js';
import { startClients } from './clients.js';
import type { Focus } from './focus.js';
import type { Machine } from './machine.js';
import { drawOptions } from './options.js';
import type { Violation } from './oracle/facts.js';
import { Random } from './random.js';
import { startUnrest } from './unrest.js';
import { World } from './world.js';

/** What one schedule came to. */
export interface Outcome {
  seed: number;
  events: number;
  /** Milliseconds of simulated time. */
  simulated: number;
  writes: number;
  lost: number;
  operations: Record<string, number>;
  faults: Record<string, number>;
  cuts: Record<string, number>;
  documented: Record<string, number>;
  /** Why nobody serves in the end, where that is allowed. */
  unserved: string | undefined;
  violations: Violation[];
  /** Of the whole story; the same seed gives the same. */
  digest: string | undefined;
}

/** How long all may take to be well again once the faults are over. Milliseconds. */
const RECOVERY = 20 * 60_000;
/** When it is asked whether there is a reason why nobody will ever serve again without a person. Milliseconds. */
const PATIENCE = 5 * 60_000;
/** How long it has to stay well. */
const STEADY = 15_000;

interface Ways {
  /** Gets the story, line by line. */
  onLine?: (line: string) => void;
  focus?: Focus;
}

/** Plays one schedule. */
export const runSchedule = async (
  seed: number,
  { onLine, focus = {} }: Ways = {},
): Promise<Outcome> => {
  const random = new Random(seed);
  const hash = onLine && createHash('sha256');
  const world = new World(
    random,
    drawOptions(random, focus),
    onLine &&
      ((line) => {
        hash?.update(line);
        onLine(line);
      }),
  );
  const stray = (error: unknown) =>
    world.oracle.violate(7, `a failure that nobody handles: ${String(error)}`);
  process.on('unhandledRejection', stray);
  try {
    const unserved = await play(world, seed, focus);
    return { ...report(world, seed), unserved, digest: hash?.digest('hex') };
  } finally {
    for (const machine of world.machines) machine.losePower();
    process.off('unhandledRejection', stray);
  }
};

const play = async (world: World, seed: number, focus: Focus): Promise<string | undefined> => {
  const { timeline, oracle, options } = world;
  for (const machine of world.machines) world.startAgent(machine);
  startClients(world);
  startUnrest(world, seed, focus);
  let unserved: string | undefined;
  timeline.after(options.unrest + PATIENCE, () => {
    if (!isWell(world)) unserved = whyUnserved(world);
  });
  let steadySince: number | undefined;
  let isSteady = false;
  await timeline.run(() => {
    oracle.check();
    if (oracle.violations.length > 0) return true;
    if (timeline.now <= options.unrest || !isWell(world)) steadySince = undefined;
    else steadySince ??= timeline.now;
    isSteady = steadySince !== undefined && timeline.now - steadySince > STEADY;
    return isSteady || unserved !== undefined || timeline.now > options.unrest + RECOVERY;
  });
  if (oracle.violations.length > 0) return undefined;
  if (!isSteady && unserved === undefined) violateUnserved(world);
  oracle.checkEnd();
  for (const violation of oracle.violations)
    world.tell('oracle', () => `VIOLATION of rule ${violation.rule}: ${violation.what}`);
  return unserved;
};

/** One serves, the other stands by, and neither is in the middle of something. */
const isWell = ({ machines: [a, b], timeline }: World): boolean => {
  if (timeline.now === 0) return false;
  return (serves(a) && standsBy(b)) || (serves(b) && standsBy(a));
};

const serves = (machine: Machine): boolean =>
  machine.node !== undefined && isServing(machine.node) && machine.takesWrites && isIdle(machine);

const standsBy = (machine: Machine): boolean => {
  const state = machine.node?.state.current;
  return (
    state?.mode === 'standby' &&
    state.standDown === null &&
    machine.app.state === 'stopped' &&
    isIdle(machine)
  );
};

/** Backups, and what comes of them, go on for ever. */
const BUSY_FOR_EVER: ReadonlySet<OperationKind> = new Set(['backup', 'push', 'prepare', 'drill']);

const isIdle = ({ node }: Machine): boolean => {
  const kind = node?.runner.current?.kind;
  return kind === undefined || BUSY_FOR_EVER.has(kind);
};

/** A primary whose volume somebody has thrown away cannot serve, and the other node may not be able to, or not allowed. */
const whyLost = ({ oracle }: World, lost: Machine, other: Machine): string | undefined => {
  if (lost.node?.state.current.mode === 'standby' || !oracle.isWiped(lost)) return undefined;
  if (oracle.backups.intact(other).length === 0)
    return 'the volume of the primary is gone, and so is every backup of the other node';
  if (other.node?.settings.monitor === 'off')
    return 'the volume of the primary is gone, and the monitor of the other node is off';
  // Its no is no proof of an outage (H50): a person has to decide. Nobody had ever been served there.
  if (lost.node !== undefined && !isProven(lost.node, 'APP_HEALTH_URL'))
    return 'the volume of the primary is gone, and its health check had never said yes';
  return whyTooOld(other);
};

/** A clock that was set years back dates a backup, and a person has to judge it. */
const whyTooOld = ({ node }: Machine): string | undefined =>
  node?.runner.list().some(({ error }) => error?.code === 'backup-too-old')
    ? 'the data of the primary is gone, and the clocks leave open how old the newest backup of the other node is'
    : undefined;

const isPaused = ({ node }: Machine): boolean => node !== undefined && activePause(node) !== null;

/** The named reason for which no node serves, when there is one. */
const whyUnserved = (world: World): string | undefined => {
  const [a, b] = world.machines;
  // A clock that was set forward when somebody asked for a pause, and back later, makes it an hour longer.
  if (isPaused(a) || isPaused(b)) return 'paused by an operator';
  return (
    whyLost(world, a, b) ??
    whyLost(world, b, a) ??
    whyRewound(world, a, b) ??
    whyRewound(world, b, a)
  );
};

/** A primary that went back in time gives way, and a person has to let the other node take over. */
const whyRewound = ({ oracle }: World, rewound: Machine, other: Machine): string | undefined => {
  if (!oracle.isRewound(rewound) || rewound.node?.state.current.mode !== 'standby')
    return undefined;
  return other.node?.settings.monitor === 'off'
    ? 'a primary went back in time, and the monitor of the other node is off'
    : whyTooOld(other);
};

const violateUnserved = ({ oracle, machines: [a, b] }: World): void => {
  const say = (machine: Machine) => {
    const state = machine.node?.state.current;
    const last = machine.node?.runner.list()[0];
    return `${machine.name} ${state?.mode} at epoch ${state?.epoch}, app ${machine.app.state}, ${machine.node?.runner.current?.id ?? 'idle'}, last ${last?.kind} ${last?.state} ${last?.error?.code ?? ''}`;
  };
  oracle.violate(6, `not well again after ${RECOVERY / 60_000} minutes: ${say(a)}; ${say(b)}`);
};

const report = (world: World, seed: number): Omit<Outcome, 'unserved' | 'digest'> => {
  const { timeline, oracle, faults, cuts, network } = world;
  const operations: Record<string, number> = {};
  for (const { record } of oracle.operations) {
    const name = `${record.kind} ${record.state}`;
    operations[name] = (operations[name] ?? 0) + 1;
  }
  if (network.lost > 0) faults.set('message lost', network.lost);
  if (network.repeated > 0) faults.set('message repeated', network.repeated);
  if (network.overtaken > 0) faults.set('message overtaken by a later one', network.overtaken);
  return {
    seed,
    events: timeline.events,
    simulated: timeline.now,
    writes: oracle.writes.all.size,
    lost: oracle.writes.lost,
    operations,
    faults: Object.fromEntries(faults),
    cuts: Object.fromEntries(cuts),
    documented: Object.fromEntries(oracle.writers.documented),
    violations: oracle.violations,
  };
};
