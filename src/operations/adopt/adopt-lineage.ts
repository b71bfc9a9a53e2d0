import type { AdoptCommand } from '../../domain/commands.js';
import { Refused } from '../../domain/errors.js';
import type { Plan, Step } from '../../engine/plan.js';
import { serveSteps } from '../../serve/serve.js';
import { askPeerStep, expectedLineage, notOurs } from '../boot/boot.js';
import type { Node } from '../node.js';
import { usableBackups } from '../promote/choose-backup.js';

/** An adoption with the lineage that it is about, so that the journal can tell whether it came into effect. */
export type Adoption = AdoptCommand & { lineage: string };

/** @throws Refused `yielding`: whose data counts is being decided by the other node */
export const assertMayAdopt = ({ state, settings }: Node): void => {
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
 * A new lineage for the primary's database; on a standby the one that its primary names, which only the holder
 * of the peer's key can do. @throws Refused `peer-not-ready`, ColdspareError `peer-unreachable`
 */
export const lineageToAdopt = async (node: Node): Promise<string> => {
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
 * For the person who really means it: from now on other data is the production data. It takes a word on each
 * node, so that a primary that lost its data can never talk its standby out of the good backups.
 *
 * On the primary, the database that is there gets a new lineage, in the same epoch, and is served. On the
 * standby, the primary's lineage becomes the expected one, so that the next backup is accepted. The backups of
 * the old lineage stay on both disks, where they are not counted, not removed and not restored.
 */
export const planAdopt = (node: Node, command: Adoption): Plan => ({
  kind: 'adopt',
  reason: command.reason,
  command: { type: 'adopt', ...command },
  steps:
    node.state.current.mode === 'primary'
      ? [askPeerStep(node), adoptDatabaseStep(node, command), ...serveSteps(node)]
      : [expectLineageStep(node, command)],
  isCommitted: () => node.state.current.lineage === command.lineage,
  isPreemptible: () => true,
  result: () => ({ lineage: node.state.current.lineage }),
});

const adoptDatabaseStep = (node: Node, command: Adoption): Step => ({
  name: 'adopt',
  commits: true,
  run: async ({ signal }) => {
    const { lineage } = command;
    const { database } = node.stack;
    await database.start(signal);
    const { exists, marker } = await database.live();
    if (!exists) throw notOurs(node, exists, undefined);
    const { lineage: before, epoch } = node.state.current;
    if (before !== null && marker?.lineage === before)
      return `nothing to do: ${node.settings.databaseName} carries the lineage ${before}`;
    assertNothingGivenUp(node, command);
    // The database first: cut in between, it is still not the expected one and is not served.
    await database.mark({ lineage, epoch, backup: null, served: true });
    await node.state.update({ lineage });
    return `${node.settings.databaseName} is the production data as lineage ${lineage}, no longer ${before}`;
  },
});

const expectLineageStep = (node: Node, command: Adoption): Step => ({
  name: 'adopt',
  commits: true,
  run: async () => {
    const { lineage } = command;
    const { lineage: before } = node.state.current;
    if (before === lineage) return `nothing to do: the lineage ${lineage} is the expected one`;
    assertNothingGivenUp(node, command);
    await node.state.update({ lineage });
    return `backups of lineage ${lineage} are accepted, no longer ${before}`;
  },
});

/** As long as either node could bring the old data back, a slip of the hand must not give it up. */
const assertNothingGivenUp = (node: Node, { lineage, force }: Adoption): void => {
  const given = expectedLineage(node);
  if (force || given === lineage) return;
  const peer = node.observed.peer?.value;
  const theirs =
    peer === undefined || 'error' in peer || peer.lineage !== given ? null : peer.latestBackup;
  const newest = usableBackups(node)[0] ?? theirs;
  if (newest === null) return;
  throw new Refused(
    'foreign-lineage',
    `there are good backups of the lineage ${given}, the newest is ${newest.id}: adopting other data gives them up`,
    'to have that data back POST /promote on the standby; to give it up POST /adopt {"force": true, "reason": "…"}',
    { value: newest.id },
  );
};
