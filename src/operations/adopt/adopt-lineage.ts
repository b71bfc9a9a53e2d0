import { usableBackups } from '../../backups/catalog.js';
import type { AdoptCommand } from '../../domain/commands.js';
import { Refused } from '../../domain/errors.js';
import type { Plan, Steps } from '../../engine/operation.js';
import { SERVE_STEPS, serve } from '../../serve/serve.js';
import { askPeer } from '../boot/ask-peer.js';
import type { Booter } from '../boot/boot.js';
import { expectedLineage, notProductionData } from '../boot/check-lineage.js';
import type { Node } from '../node.js';

type Adopter = Omit<Booter, 'replication'> & Pick<Node, 'backups'>;

/** An adoption with its lineage, so that after a crash the journal shows whether it took effect. */
export type Adoption = AdoptCommand & { lineage: string };

/** @throws Refused `yielding`: the other node is deciding whose data counts */
export const assertMayAdopt = ({ state, settings }: Pick<Node, 'state' | 'settings'>): void => {
  const { mode, yielding } = state.current;
  if (mode !== 'yielding') return;
  throw new Refused(
    'yielding',
    `${settings.nodeName} has promised not to serve until the other node has decided about ${yielding?.operation}`,
    'ask the other node: GET /status; then ask again',
    { value: yielding?.operation },
  );
};

/**
 * Resolves to a new lineage on a primary, and to the primary's lineage on a standby.
 * @throws Refused `peer-not-ready`, ColdspareError `peer-unreachable`
 */
export const lineageToAdopt = async (
  node: Pick<Node, 'state' | 'ids' | 'peer'>,
): Promise<string> => {
  if (node.state.current.mode === 'primary') return node.ids.random();
  const { node: name, mode, lineage } = await node.peer.status();
  if (mode === 'primary' && lineage !== null) return lineage;
  throw new Refused(
    'peer-not-ready',
    `${name} is ${mode} and has ${lineage === null ? 'no lineage' : `the lineage ${lineage}`}: only a primary says which data counts`,
    'POST /adopt on the primary first',
    { value: mode },
  );
};

/**
 * Makes other data the production data. A person has to request it on each node, so that a primary that lost its data
 * can never make its standby give up the good backups.
 *
 * On the primary, its database gets a new lineage in the same epoch and is served. On the standby, the primary's
 * lineage becomes the expected one, so that the next backup is accepted. The backups of the old lineage stay on both
 * disks, where they are not counted, removed or restored.
 */
export const planAdopt = (node: Adopter, command: Adoption): Plan => ({
  kind: 'adopt',
  reason: command.reason,
  command: { type: 'adopt', ...command },
  ...(node.state.current.mode === 'primary'
    ? { steps: PRIMARY_STEPS, run: (steps) => adoptAndServe(node, steps, command) }
    : { steps: STANDBY_STEPS, run: (steps) => expectLineage(node, steps, command) }),
  isCommitted: () => node.state.current.lineage === command.lineage,
  isPreemptible: () => true,
});

const PRIMARY_STEPS = ['ask-peer', 'adopt', ...SERVE_STEPS] as const;
const STANDBY_STEPS = ['adopt'] as const;

const adoptAndServe = async (
  node: Adopter,
  steps: Steps<(typeof PRIMARY_STEPS)[number]>,
  command: Adoption,
): Promise<void> => {
  reportLineage(node, steps);
  await askPeer(node, steps);
  await steps.step('adopt', async ({ signal, say, commit }) => {
    say(await adoptDatabase(node, command, signal));
    commit();
    reportLineage(node, steps);
  });
  await serve(node, steps);
};

/** Resolves to what was done, as a sentence. */
const adoptDatabase = async (
  node: Adopter,
  command: Adoption,
  signal: AbortSignal,
): Promise<string> => {
  const { lineage } = command;
  const { databaseName } = node.settings;
  const { database } = node.stack;
  await database.start(signal);
  const { exists, marker } = await database.live();
  if (!exists) throw notProductionData(node, exists, undefined);
  const { lineage: before, epoch } = node.state.current;
  if (before !== null && marker?.lineage === before)
    return `nothing to do: ${databaseName} carries the lineage ${before}`;
  assertNothingGivenUp(node, command);
  // The database is marked first: after a crash in between, it is not the expected one yet and is not served.
  await database.mark({ lineage, epoch, backup: null, served: true });
  await node.state.update({ lineage });
  return `${databaseName} is the production data as lineage ${lineage}, no longer ${before}`;
};

const expectLineage = (node: Adopter, steps: Steps<'adopt'>, command: Adoption): Promise<void> =>
  steps.step('adopt', async ({ say, commit }) => {
    const { lineage } = command;
    const { lineage: before } = node.state.current;
    reportLineage(node, steps);
    if (before === lineage) say(`nothing to do: the lineage ${lineage} is the expected one`);
    else {
      assertNothingGivenUp(node, command);
      await node.state.update({ lineage });
      reportLineage(node, steps);
      say(`backups of lineage ${lineage} are accepted, no longer ${before}`);
    }
    commit();
  });

const reportLineage = ({ state }: Pick<Node, 'state'>, steps: Pick<Steps, 'report'>): void =>
  steps.report({ lineage: state.current.lineage });

/** While either node could restore the old data, giving it up takes `force`. */
const assertNothingGivenUp = (
  node: Pick<Node, 'state' | 'backups' | 'peerView'>,
  { lineage, force }: Adoption,
): void => {
  const expected = expectedLineage(node);
  if (force || expected === lineage) return;
  const peer = node.peerView.answer?.value;
  const theirs = peer?.lineage === expected ? peer.latestBackup : null;
  const newest = usableBackups(node)[0] ?? theirs;
  if (newest === null) return;
  throw new Refused(
    'foreign-lineage',
    `there are good backups of the lineage ${expected}, the newest is ${newest.id}: adopting other data gives them up`,
    'to have that data back POST /promote on the standby; to give it up POST /adopt {"force": true, "reason": "…"}',
    { value: newest.id },
  );
};
