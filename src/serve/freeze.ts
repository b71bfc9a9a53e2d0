import { ColdspareError } from '../domain/errors.js';
import type { Database } from '../ports/stack.js';

type Writable = Pick<Database, 'freeze' | 'writes'>;

/** Refuses writes from now on. Resolves to the count of rows written so far. Safe to repeat. */
export const freeze = async (database: Writable): Promise<bigint> => {
  await database.freeze();
  return database.writes();
};

/** Whether nothing was written since `writes` was counted. False if the counter is unreadable; true if it was never counted. */
export const isUnwritten = async (
  database: Pick<Database, 'writes'>,
  writes: string | null,
): Promise<boolean> => {
  if (writes === null) return true;
  const now = await database.writes().catch(() => undefined);
  return now === BigInt(writes);
};

/**
 * A session can override the freeze, and its writes would be lost silently.
 * @throws ColdspareError `written-while-frozen` when more rows were written than `before`, the count at the freeze
 */
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

/** The same for this node's own database. */
export const assertOwnUnwritten = (
  node: {
    settings: { nodeName: string; databaseName: string };
    stack: { database: Pick<Database, 'writes'> };
  },
  before: bigint,
): Promise<void> =>
  assertUnwritten(
    node.stack.database,
    before,
    `${node.settings.databaseName} on ${node.settings.nodeName}`,
    'stop what writes with explicit READ WRITE transactions, then ask again',
  );
