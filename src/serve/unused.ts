import type { BackupStore } from '../backups/backup-store.js';
import type { Served } from '../domain/commands.js';
import { Refused } from '../domain/errors.js';
import type { Database } from '../ports/stack.js';
import type { NodeState } from '../state/node-state.js';

interface Node {
  settings: { nodeName: string };
  state: NodeState;
  stack: { database: Pick<Database, 'usage'> };
  backups: Pick<BackupStore, 'list'>;
}

/** What the database's usage is now; undefined when that cannot be said, for then nothing is unused. */
export const usageOf = ({ stack }: Pick<Node, 'stack'>): Promise<string | undefined> =>
  stack.database.usage().catch(() => undefined);

/**
 * Notes what the app itself has written at its start. Called before load balancers are sent to it, so that no user has
 * written anything yet. Never throws: without the note, what the app wrote counts as use.
 */
export const noteUnused = async (node: Pick<Node, 'state' | 'stack'>): Promise<void> => {
  const usage = await usageOf(node);
  const { unusedAt = [] } = node.state.current;
  // The first one is that of the restored data, before the app has written.
  if (usage === undefined || unusedAt.length === 0 || unusedAt.includes(usage)) return;
  await node.state.update({ unusedAt: [...unusedAt, usage] }).catch(() => {});
};

/**
 * Whether nobody has used the takeover by which this node became primary, beside a primary that went on serving. Only the
 * app may have written, at its start. What was restored has to be a backup of what that primary served: only then it
 * has everything that is here. A backup of another branch may hold what it never had.
 */
export const isUnused = async (node: Node, served: Served): Promise<boolean> => {
  const { epoch, promotion, unusedAt = [] } = node.state.current;
  if (promotion?.epoch !== epoch || promotion.backup === null) return false;
  const restored = node.backups.list().find(({ id }) => id === promotion.backup);
  const isOfThem = promotion.backup === served.backup || restored?.epoch === served.epoch;
  const usage = isOfThem ? await usageOf(node) : undefined;
  return usage !== undefined && unusedAt.includes(usage);
};

/**
 * Whether the database of a superseded node still is what its takeover had restored. Not even its app has written.
 * Freezes the database and ends its sessions, so that they report what they wrote.
 */
export const isUntouched = async (node: {
  state: Pick<NodeState, 'current'>;
  stack: { database: Pick<Database, 'usage' | 'freeze' | 'writes'> };
}): Promise<boolean> => {
  const [restored] = node.state.current.unusedAt ?? [];
  if (restored === undefined) return false;
  await node.stack.database.freeze();
  await node.stack.database.writes();
  return restored === (await usageOf(node));
};

/** @throws Refused `superseded` when it is used, or when that is not known */
export const assertUnused = async (node: Node, served: Served): Promise<void> => {
  if (await isUnused(node, served)) return;
  const { epoch } = node.state.current;
  throw new Refused(
    'superseded',
    `${node.settings.nodeName} does not give way: it is the primary of epoch ${epoch}, and this has data that the other node lacks, or may have`,
    'nothing to do: the node that asked stands down, and keeps its own writes in a database of a dated name',
    { value: epoch },
  );
};
