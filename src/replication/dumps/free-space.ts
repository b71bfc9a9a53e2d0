import { Refused } from '../../domain/errors.js';
import type { Manifest } from '../../domain/manifest.js';
import type { Stack } from '../../ports/stack.js';
import type { LocalView } from '../../serve/local-view.js';
import type { NodeState } from '../../state/node-state.js';

/** A restored database is no larger than the dumped one, but its write-ahead log takes space as well. */
const MARGIN = 1.2;

/**
 * Checks that one more copy of the database fits, so that a restore in the background cannot fill the disk.
 * @throws Refused `no-room`
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
          `${backup.id} takes about ${needed} bytes when it is restored, and ${free} are free on the disk of the databases of ${node.settings.nodeName}`,
          'free disk space there; copies named DB_NAME_before_… and DB_NAME_diverged_… may be dropped once nobody needs them. The next preparation checks again, and so does POST /drill',
          { value: { needed, free } },
        );
  if (node.state.current.mode === 'standby') node.local.noRoom = refusal;
  if (refusal !== null) throw refusal;
};
