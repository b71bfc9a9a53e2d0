import { Refused } from '../../domain/errors.js';
import type { Manifest } from '../../domain/manifest.js';
import type { Stack } from '../../ports/stack.js';
import type { LocalView } from '../../serve/local-view.js';
import type { NodeState } from '../../state/node-state.js';

/** A restored database is no larger than the one that was dumped; its write-ahead log comes on top. */
const MARGIN = 1.2;

/**
 * Makes sure that there is room for one more copy of the database, so that no restore which nobody is waiting for
 * fills the disk. @throws Refused `no-room`
 */
export const assertFreeSpace = async (
  node: {
    settings: { nodeName: string };
    state: Pick<NodeState, 'current'>;
    stack: Pick<Stack, 'database'>;
    local: Pick<LocalView, 'noRoom'>;
  },
  backup: Manifest,
): Promise<void> => {
  const free = await node.stack.database.freeSpace();
  const needed = Math.ceil((backup.databaseBytes ?? backup.bytes) * MARGIN);
  const refusal =
    free === undefined || free >= needed
      ? null
      : new Refused(
          'no-room',
          `${backup.id} takes about ${needed} bytes when it is restored, and ${free} are free where the databases of ${node.settings.nodeName} lie`,
          'free disk space there; copies named DB_NAME_before_… and DB_NAME_diverged_… may be dropped once nobody needs them. The next preparation looks again, and so does POST /drill',
          { value: { needed, free } },
        );
  if (node.state.current.mode === 'standby') node.local.noRoom = refusal;
  if (refusal !== null) throw refusal;
};
