import { divergedCopies, divergedName } from '../../domain/database-names.js';
import { ColdspareError, toColdspareError } from '../../domain/errors.js';
import { formatDuration } from '../../domain/format.js';
import type { NodeStatus } from '../../domain/status.js';
import type { Plan, Step } from '../../engine/plan.js';
import { probePeer } from '../../peer/probe-peer.js';
import { isUnwritten } from '../../serve/freeze.js';
import {
  assertPrimary,
  observeDatabase,
  serveSteps,
  startAppSteps,
  stopApp,
  stopAppStep,
  stopDatabaseStep,
} from '../../serve/serve.js';
import type { StateData } from '../../state/node-state.js';
import { yieldSteps } from '../accept-fence/accept-fence.js';
import type { Node } from '../node.js';

const POLL_PAUSE = 1_000;
/** The reason of `planMissingParts`. */
export const MISSING_PARTS = 'a part of the app does not run';

/**
 * Makes what runs on this machine agree with the role on disk: after a start of the agent, after the peer has
 * set this node free, and when the app of a primary stays down. The role is never inferred from what runs (H19).
 */
export const planBoot = (node: Node, reason: string, { anew = false } = {}): Plan => {
  const { mode } = node.state.current;
  return {
    kind: 'boot',
    reason,
    command: { type: 'boot', mode },
    steps: stepsOf(node, anew),
    isCommitted: () => false,
    isPreemptible: () => true,
  };
};

const stepsOf = (node: Node, anew: boolean): Step[] => {
  switch (node.state.current.mode) {
    case 'primary':
      return primarySteps(node, { anew });
    case 'yielding':
      return yieldSteps(node);
    case 'standby':
      return standbySteps(node);
  }
};

/** Leaves the role for good: the app at once, then the database, whose unknown writes are kept aside. */
export const planStandDown = (node: Node): Plan => ({
  kind: 'stand-down',
  reason: `superseded at epoch ${node.state.current.epoch}`,
  command: { type: 'stand-down' },
  steps: standbySteps(node),
  isCommitted: () => true,
});

/** The peer has ended the operation we had yielded to without taking over: the role is ours as before. */
export const planResume = (node: Node): Plan => ({
  ...planBoot(node, ''),
  reason: `the other node did not take over in ${node.state.current.yielding?.operation}`,
  steps: [
    {
      name: 'resume',
      run: async () => {
        await takeRoleBack(node);
        assertPrimary(node);
        return undefined;
      },
    },
    ...primarySteps(node),
  ],
});

/**
 * The peer did not take over in the operation this node had yielded to: the role is ours as before, unless the
 * peer has taken over meanwhile in another one, as it may when it could not reach us.
 */
export const takeRoleBack = async (node: Node): Promise<void> => {
  const { epoch, yielding } = node.state.current;
  const heard = node.observed.epoch;
  if (heard <= epoch) return node.state.apply('resume', epoch);
  const { finalBackup = null, writes = null } = yielding ?? {};
  const standDown = { epoch: heard, finalBackup, writes };
  await node.state.apply('superseded', heard, { standDown, failbackDue: false });
};

/**
 * Also what is left to do of a promote that was cut after its commit. With `anew`, an app that hangs is stopped before it
 * is started: to a start, it runs.
 */
export const primarySteps = (node: Node, { anew = false } = {}): Step[] => [
  askPeerStep(node),
  checkLineageStep(node),
  ...(anew ? [stopAppStep(node)] : []),
  ...serveSteps(node),
];

/** Some part of an app that answers does not run, such as a worker. What runs is left alone, so nobody has to be asked. */
export const planMissingParts = (node: Node): Plan => ({
  ...planBoot(node, MISSING_PARTS),
  steps: startAppSteps(node),
});

/**
 * The database of an app that goes on answering does not. The peer was asked before this app was vouched for; asked again,
 * one that is away would only keep the database from being started.
 */
export const planDatabaseAgain = (node: Node): Plan => ({
  ...planBoot(node, 'the database does not answer'),
  steps: [checkLineageStep(node), ...serveSteps(node)],
});

/** Nobody starts serving before the peer was asked who is primary now (H08). */
export const askPeerStep = (node: Node): Step => ({
  name: 'ask-peer',
  run: async ({ signal, say }) => {
    const { aloneGrace, alone } = node.settings;
    const giveUp = node.clock.elapsed() + aloneGrace;
    for (;;) {
      const { agent } = await probePeer(node);
      if (!('error' in agent) && !isPromoting(agent)) return sayPeer(node, agent);
      const why = 'error' in agent ? agent.error : `it is in the middle of ${agent.operation?.id}`;
      const hasWaited = 'error' in agent && node.clock.elapsed() >= giveUp;
      if (hasWaited && alone === 'serve') return serveAlone(node, why);
      if (hasWaited) {
        node.observed.alone = `the other agent does not answer (${why}); not serving by policy ALONE=wait`;
        await stopApp(node, signal);
      }
      say(
        `the other agent has not told who is primary: ${why}${hasWaited ? ' (ALONE=wait: not serving until it does)' : ''}`,
      );
      await node.clock.sleep(POLL_PAUSE, signal);
    }
  },
});

/** A promote that has not committed yet decides whether we are still primary: starting now could make two writers. */
const isPromoting = ({ operation }: NodeStatus): boolean =>
  operation?.kind === 'promote' && !operation.committed;

/** @throws ColdspareError `superseded`; standing down then follows from having heard the epoch */
const sayPeer = (node: Node, agent: NodeStatus): string => {
  const { epoch } = node.state.current;
  if (agent.epoch <= epoch) return `${agent.node} is ${agent.mode} at epoch ${agent.epoch}`;
  throw new ColdspareError(
    'superseded',
    `${agent.node} is at epoch ${agent.epoch}, above ${epoch}: this node is not the primary any more`,
    'nothing to do: it stands down and gets the data by failback',
  );
};

const serveAlone = (node: Node, why: string): string => {
  const message = `the other agent did not answer for ${formatDuration(node.settings.aloneGrace)} (${why}); serving by policy ALONE=serve`;
  node.observed.alone = message;
  node.log.warn({ peer: node.settings.peerUrl }, message);
  return message;
};

/** The database must be the one of our lineage. Where nobody has one yet, it is adopted, which gives it its lineage. */
export const checkLineageStep = (node: Node): Step => ({
  name: 'check-lineage',
  run: async ({ signal }) => {
    const { database } = node.stack;
    await database.start(signal);
    const { exists, marker } = await database.live();
    const { lineage, epoch } = node.state.current;
    const expected = expectedLineage(node);
    observeDatabase(node, { answers: true, marker });
    if (!exists || (expected !== null && marker?.lineage !== expected)) {
      // Whoever started it: it would serve seeds, or somebody else's data.
      await stopApp(node, signal);
      throw notOurs(node, exists, marker?.lineage);
    }
    if (lineage !== null) return `lineage ${lineage}`;
    const adopted = marker?.lineage ?? node.ids.random();
    // The database first: cut in between, the next start finds the lineage there.
    if (marker === undefined)
      await database.mark({ lineage: adopted, epoch, backup: null, served: true });
    await node.state.update({ lineage: adopted });
    return `adopted ${node.settings.databaseName} as lineage ${adopted}`;
  },
});

/** The lineage of the production data; null where nobody has one yet. A reinstalled machine knows it from its peer (H16). */
export const expectedLineage = ({ state, observed }: Node): string | null => {
  const peer = observed.peer?.value;
  const known = peer === undefined || 'error' in peer ? null : peer.lineage;
  return state.current.lineage ?? known;
};

const standbySteps = (node: Node): Step[] => [
  stopAppStep(node),
  setAsideStep(node),
  stopDatabaseStep(node),
];

/** What is left to do of having been superseded: the database may hold what no other node has. */
export const setAsideStep = (node: Node): Step => ({
  name: 'set-aside',
  run: async ({ signal }) => {
    const { standDown } = node.state.current;
    if (standDown === null) return undefined;
    const detail = await setAside(node, standDown, signal);
    await node.state.update({ standDown: null });
    return detail;
  },
});

/** Keeps a superseded node's database under a dated name, unless its last backup is what the peer serves. */
const setAside = async (
  node: Node,
  standDown: NonNullable<StateData['standDown']>,
  signal: AbortSignal,
): Promise<string> => {
  const { agent } = await probePeer(node);
  const restored = 'error' in agent ? null : (agent.promotion?.backup ?? null);
  const { database } = node.stack;
  await database.start(signal);
  const hasFinal = restored !== null && restored === standDown.finalBackup;
  if (hasFinal && (await isUnwritten(node, standDown.writes))) return nothingDiverged(restored);
  const { databaseName } = node.settings;
  const { exists, marker } = await database.live();
  // Fenced without our agent, it is frozen since the dump that the other node took of it.
  if (restored !== null && restored === marker?.fenced?.backup) return nothingDiverged(restored);
  if (exists) {
    const diverged = await sayDivergence(node, restored);
    const name = divergedName(databaseName, node.clock.now(), await database.others());
    await database.setAside(name);
    return sayKept(node, standDown.epoch, name, diverged);
  }
  // Cut before anybody was told: better told twice than never.
  const name = divergedCopies(databaseName, await database.others()).at(-1);
  if (name === undefined) return 'there was no database to keep';
  return sayKept(node, standDown.epoch, name, 'what it has that the other node lacks is not known');
};

const nothingDiverged = (restored: string): string =>
  `the other node serves everything that was written here (${restored})`;

const sayKept = (node: Node, epoch: number, name: string, diverged: string): string => {
  const detail = `kept as ${name}: ${diverged}`;
  node.notifier.announce({
    event: 'superseded',
    severity: 'critical',
    message: `${node.settings.nodeName} was superseded at epoch ${epoch}; its database was ${detail}`,
    remedy: `look for writes to save in ${name}, then drop it`,
  });
  return detail;
};

/** How many rows of each table the peer's backup does not have, as far as counting tells. */
const sayDivergence = async (node: Node, restored: string | null): Promise<string> => {
  try {
    const backups = restored === null ? [] : await node.peer.backups();
    const before = backups.find(({ id }) => id === restored)?.inventory;
    if (before === undefined) return 'what it has that the other node lacks is not known';
    const { rows } = await node.stack.database.inventory();
    const changes = Object.entries(rows)
      .map(([table, count]) => ({ table, change: count - (before.rows[table] ?? 0) }))
      .filter(({ change }) => change !== 0)
      .map(({ table, change }) => `${change > 0 ? '+' : ''}${change} rows in ${table}`);
    return changes.length === 0
      ? `the same number of rows as in ${restored}`
      : `against ${restored} it has ${changes.join(', ')}`;
  } catch (error) {
    return `its rows could not be compared: ${toColdspareError(error).message}`;
  }
};

export const notOurs = (node: Node, exists: boolean, found: string | undefined): ColdspareError =>
  new ColdspareError(
    'foreign-lineage',
    exists
      ? `${node.settings.databaseName} carries ${found === undefined ? 'no lineage' : `lineage ${found}`}, expected ${expectedLineage(node)}: it is not the production data, and the app is not started on it`
      : `there is no database ${node.settings.databaseName}`,
    exists
      ? 'POST /promote on the other node restores the newest backup there; failback then repairs this one. If what is there now is the production data: POST /adopt'
      : 'create it (or check DB_NAME), then restart the agent',
    { value: found ?? null },
  );
