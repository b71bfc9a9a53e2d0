import { ColdspareError } from '../../domain/errors.js';
import type { Steps } from '../../engine/operation.js';
import { peerStatus } from '../../peer/peer-view.js';
import { noteDatabase, stopApp } from '../../serve/app.js';
import type { Node } from '../node.js';

type Checker = Pick<Node, 'settings' | 'state' | 'stack' | 'ids' | 'clock' | 'local' | 'peerView'>;

/** Checks that the database has the expected lineage. Where neither node has a lineage yet, the database is adopted. */
export const checkLineage = (node: Checker, steps: Steps<'check-lineage'>): Promise<void> =>
  steps.step('check-lineage', async ({ signal, say }) => {
    const { database } = node.stack;
    await database.start(signal);
    const { exists, marker } = await database.live();
    const { lineage, epoch } = node.state.current;
    const expected = expectedLineage(node);
    noteDatabase(node, { answers: true, marker });
    if (!exists || (expected !== null && marker?.lineage !== expected)) {
      // Somebody else may have started the app, and it would serve seeds or other data.
      await stopApp(node, signal);
      throw notProductionData(node, exists, marker?.lineage);
    }
    if (lineage !== null) return say(`lineage ${lineage}`);
    const adopted = marker?.lineage ?? node.ids.random();
    // The database is marked first: after a crash in between, the next start finds the lineage there.
    if (marker === undefined)
      await database.mark({ lineage: adopted, epoch, backup: null, served: true });
    await node.state.update({ lineage: adopted });
    say(`adopted ${node.settings.databaseName} as lineage ${adopted}`);
  });

/** The lineage of the production data; null where neither node has one yet. A reinstalled machine learns it from its peer (H16). */
export const expectedLineage = ({
  state,
  peerView,
}: Pick<Node, 'state' | 'peerView'>): string | null =>
  state.current.lineage ?? peerStatus(peerView)?.lineage ?? null;

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
