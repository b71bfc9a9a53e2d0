import { ColdspareError } from '../domain/errors.js';
import type { Step } from '../engine/plan.js';
import type { Node } from '../operations/node.js';
import type { Database } from '../ports/stack.js';

/** A database that takes no writes, as far as that can be made sure. */
export interface Frozen {
  /** Rows ever written when it was frozen. */
  writes: bigint | undefined;
}

/** Refuses writes from now on, and remembers how much was written until now. */
export const freeze = async ({ stack }: Node, frozen: Frozen): Promise<void> => {
  await stack.database.freeze();
  frozen.writes = await stack.database.writes();
};

/** A session that forced its way past the freeze would be lost in silence. */
export const checkFrozenStep = (node: Node, frozen: Frozen): Step => ({
  name: 'check-frozen',
  run: async () => {
    const { stack, settings } = node;
    await assertUnwritten(
      stack.database,
      frozen.writes ?? 0n,
      `${settings.databaseName} on ${settings.nodeName}`,
      'stop what writes with explicit READ WRITE transactions, then ask again',
    );
    return 'nothing was written since';
  },
});

/** Whether nothing was written since `writes` was counted; no where that cannot be told, yes where nobody has counted. */
export const isUnwritten = async ({ stack }: Node, writes: string | null): Promise<boolean> => {
  if (writes === null) return true;
  const now = await stack.database.writes().catch(() => undefined);
  return now === BigInt(writes);
};

/** @throws ColdspareError `written-while-frozen` when more was written than `before`, counted as the database was frozen */
export const assertUnwritten = async (
  database: Pick<Database, 'writes'>,
  before: bigint,
  where: string,
  remedy: string,
): Promise<void> => {
  const rows = (await database.writes()) - before;
  if (rows === 0n) return;
  throw new ColdspareError(
    'written-while-frozen',
    `somebody wrote ${rows} ${rows === 1n ? 'row' : 'rows'} to ${where} after it was frozen`,
    remedy,
    { value: Number(rows) },
  );
};
