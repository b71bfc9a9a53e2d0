import { ColdspareError } from '../../domain/errors.js';
import type { Marker } from '../../domain/marker.js';
import type { Steps } from '../../engine/operation.js';
import { noteDatabase, stopApp } from '../../serve/app.js';
import { readLiveDatabase } from '../../serve/live-database.js';
import type { Node } from '../node.js';
import { isBehindReplica } from './behind-replica.js';

type Checker = Pick<
  Node,
  | ('settings' | 'state' | 'leadership' | 'stack' | 'ids')
  | ('clock' | 'local' | 'peerView' | 'notifier' | 'log')
>;

/** Checks that the database has the expected lineage. Where neither node has a lineage yet, the database is adopted. */
export const checkLineage = (node: Checker, steps: Steps<'check-lineage'>): Promise<void> =>
  steps.step('check-lineage', async ({ signal, say }) => {
    const { database } = node.stack;
    await database.start(signal);
    const { exists, marker } = await readLiveDatabase(node);
    const { lineage, epoch } = node.state.current;
    const expected = expectedLineage(node);
    noteDatabase(node, { answers: true, marker });
    if (!exists || (expected !== null && marker?.lineage !== expected)) {
      // Somebody else may have started the app, and it would serve seeds or other data.
      await stopApp(node, signal);
      throw notProductionData(node, exists, marker?.lineage);
    }
    await assertNotOlder(node, marker);
    if (lineage !== null) return say(`lineage ${lineage}`);
    const adopted = marker?.lineage ?? node.ids.random();
    // The database is marked first: after a crash in between, the next start finds the lineage there.
    if (marker === undefined)
      await database.mark({ lineage: adopted, epoch, backup: null, served: true });
    await node.state.update({ lineage: adopted });
    say(`adopted ${node.settings.databaseName} as lineage ${adopted}`);
  });

/**
 * The machine may be an old snapshot of itself, or somebody has put an old state file in place of a lost one (H36). Then
 * this node serves nobody until it has found out whether its data is old as well.
 * @throws ColdspareError `yielding`
 */
const assertNotOlder = async (node: Checker, marker: Marker | undefined): Promise<void> => {
  const { state, leadership, peerView, settings } = node;
  const { mode, epoch, sequence, lineage } = state.current;
  // One lost message makes nothing unknown that was known.
  const peer = peerView.answer?.value;
  const newest = lineage !== null && peer?.lineage === lineage ? peer.latestBackup : null;
  const known = Math.max(sequence, marker?.fenced?.sequence ?? 0);
  const why =
    marker !== undefined && marker.epoch > epoch
      ? `its database is of epoch ${marker.epoch}`
      : newest?.epoch === epoch && newest.sequence > known
        ? `the other node has number ${newest.sequence} of its backups (${newest.id}), and it remembers ${known}`
        : (await isBehindReplica(node, peer))
          ? `the replica of ${peer?.node} has more of its log than it has itself`
          : undefined;
  if (why === undefined || mode !== 'primary') return;
  await leadership.doubt('older');
  throw new ColdspareError(
    'yielding',
    `${settings.nodeName} has gone back in time: its state is of epoch ${epoch}, and ${why}`,
    'nothing to do at first: it compares its database with the backups of the other node, and serves again if nothing is missing',
    { value: epoch },
  );
};

/** The lineage of the production data; null where neither node has one yet. A reinstalled machine learns it from its peer (H16). */
export const expectedLineage = ({
  state,
  peerView,
}: Pick<Node, 'state' | 'peerView'>): string | null =>
  state.current.lineage ?? peerView.answer?.value.lineage ?? null;

export const notProductionData = (
  node: Pick<Node, 'settings' | 'state' | 'peerView'>,
  exists: boolean,
  found: string | undefined,
): ColdspareError =>
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
