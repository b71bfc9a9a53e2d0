import { divergedCopies, divergedName } from '../../domain/database-names.js';
import { toColdspareError } from '../../domain/errors.js';
import type { Steps } from '../../engine/operation.js';
import type { Peer } from '../../peer/peer.js';
import type { PeerView } from '../../peer/peer-view.js';
import { type ProbeSettings, probePeer } from '../../peer/probe-peer.js';
import type { Clock } from '../../ports/clock.js';
import type { Notifier } from '../../ports/notifier.js';
import type { Probe } from '../../ports/probe.js';
import type { Stack } from '../../ports/stack.js';
import { isUnwritten } from '../../serve/freeze.js';
import { isUntouched } from '../../serve/unused.js';
import type { NodeState, StateData } from '../../state/node-state.js';

export interface Superseded {
  settings: ProbeSettings & { nodeName: string; databaseName: string };
  state: NodeState;
  stack: Pick<Stack, 'database'>;
  peer: Peer;
  probe: Probe;
  peerView: PeerView;
  clock: Clock;
  notifier: Notifier;
}

/**
 * For a superseded node, whose database may hold writes that no other node has. It is kept under a dated name, unless
 * the peer serves its last backup. Resolves to what was done, as a sentence; undefined when there was nothing to do.
 * Safe to repeat.
 */
export const setAsideIfDue = async (
  node: Superseded,
  signal: AbortSignal,
): Promise<string | undefined> => {
  const { standDown } = node.state.current;
  if (standDown === null) return undefined;
  const detail = await setAside(node, standDown, signal);
  await node.state.update({ standDown: null });
  return detail;
};

export const runSetAside = (node: Superseded, steps: Steps<'set-aside'>): Promise<void> =>
  steps.step('set-aside', async ({ signal, say }) => {
    const detail = await setAsideIfDue(node, signal);
    if (detail !== undefined) say(detail);
  });

const setAside = async (
  node: Superseded,
  standDown: NonNullable<StateData['standDown']>,
  signal: AbortSignal,
): Promise<string> => {
  const { agent } = await probePeer(node);
  const restored = 'error' in agent ? null : (agent.promotion?.backup ?? null);
  const { database } = node.stack;
  await database.start(signal);
  const hasFinal = restored !== null && restored === standDown.finalBackup;
  if (hasFinal && (await isUnwritten(database, standDown.writes)))
    return formatNothingDiverged(restored);
  const { databaseName } = node.settings;
  const { exists, marker } = await database.live();
  if (exists && (await isUntouched(node)))
    return 'nobody has written to what this node had taken over with';
  // Fenced without this agent: the database has been frozen since the peer dumped it.
  if (restored !== null && restored === marker?.fenced?.backup)
    return formatNothingDiverged(restored);
  if (exists) {
    const diverged = await countDivergence(node, restored);
    const name = divergedName(databaseName, node.clock.now(), await database.others());
    await database.setAside(name);
    return announceKept(node, standDown.epoch, name, diverged);
  }
  // Interrupted before the announcement: announcing twice is better than never.
  const name = divergedCopies(databaseName, await database.others()).at(-1);
  if (name === undefined) return 'there was no database to keep';
  return announceKept(node, standDown.epoch, name, UNKNOWN_DIVERGENCE);
};

const UNKNOWN_DIVERGENCE = 'it is unknown what it has that the other node lacks';

const formatNothingDiverged = (restored: string): string =>
  `the other node serves everything that was written here (${restored})`;

const announceKept = (
  { settings, notifier }: Superseded,
  epoch: number,
  name: string,
  diverged: string,
): string => {
  const detail = `kept as ${name}: ${diverged}`;
  notifier.announce({
    event: 'superseded',
    severity: 'critical',
    message: `${settings.nodeName} was superseded at epoch ${epoch}; its database was ${detail}`,
    remedy: `save the writes that you need from ${name}, then drop it`,
  });
  return detail;
};

const changeOf = (
  table: string,
  before: number | undefined,
  now: number | undefined,
): string | undefined => {
  if (now === undefined) return `no table ${table} (${before} rows)`;
  const change = now - (before ?? 0);
  if (before === undefined) return `+${change} rows in ${table}, which the backup does not have`;
  return change === 0 ? undefined : `${change > 0 ? '+' : ''}${change} rows in ${table}`;
};

/** Compares the row counts of each table with the backup that the peer restored. */
const countDivergence = async (node: Superseded, restored: string | null): Promise<string> => {
  try {
    const backup = restored === null ? undefined : await node.peer.backup(restored);
    const before = backup?.inventory;
    if (before === undefined) return UNKNOWN_DIVERGENCE;
    const { rows } = await node.stack.database.inventory();
    const changes = [...new Set([...Object.keys(rows), ...Object.keys(before.rows)])]
      .sort()
      .flatMap((table) => changeOf(table, before.rows[table], rows[table]) ?? []);
    return changes.length === 0
      ? `the same number of rows as in ${restored}`
      : `against ${restored} it has ${changes.join(', ')}`;
  } catch (error) {
    return `its rows could not be compared: ${toColdspareError(error).message}`;
  }
};
