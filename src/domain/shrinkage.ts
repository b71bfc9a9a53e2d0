import { z } from 'zod';
import type { Inventory } from './manifest.js';

/** A backup that has much less than the one before it. The one before is kept until a person has looked. */
export const shrunkSchema = z
  .object({
    before: z.string().describe('The last backup that has the rows. It is kept'),
    after: z.string().describe('The first backup that lacks them'),
    /** The first of them, so that the state file stays small. */
    tables: z.array(z.string()).describe('What lost its rows; at most 20 names'),
    rows: z.int().nonnegative().describe('How many rows are gone'),
    text: z.string(),
  })
  .meta({ id: 'ShrunkBackup' });
export type Shrunk = z.infer<typeof shrunkSchema>;

/** Rows. The loss of fewer is everyday life in a small table, such as a queue. */
const FEWEST = 10;
const MOST_NAMES = 20;
const MOST_SAID = 3;
/** Backups that are kept for this reason at the same time. Each is as large as a whole dump. */
const MOST_HELD = 5;

interface Loss {
  name: string;
  from: number;
  /** Undefined when there is no such table any more. */
  to: number | undefined;
}

/** Tables with rows that are gone, and those that lost more than half of their rows, the largest loss first. */
export const lossesOf = (before: Inventory, after: Inventory): Loss[] => {
  // A partition that was dropped is known only to the earlier one. Others drop an old partition every day.
  const parents = { ...after.partitionOf, ...before.partitionOf };
  const now = countsOf(after, parents);
  return [...countsOf(before, parents)]
    .map(([name, from]) => ({ name, from, to: now.get(name) }))
    .filter(({ from, to }) => (to === undefined ? from > 0 : from - to >= FEWEST && to * 2 < from))
    .sort((a, b) => lost(b) - lost(a));
};

const lost = ({ from, to = 0 }: Loss): number => from - to;

const countsOf = (
  { rows, largeObjects }: Inventory,
  parents: Readonly<Record<string, string>>,
): Map<string, number> => {
  const counts = new Map([['large objects', largeObjects]]);
  for (const [name, count] of Object.entries(rows)) {
    let root = name;
    for (let up = parents[root]; up !== undefined; up = parents[root]) root = up;
    counts.set(root, (counts.get(root) ?? 0) + count);
  }
  return counts;
};

/** The losses as a record; undefined when there are none. */
export const shrunkFrom = (
  before: { id: string; inventory: Inventory },
  after: { id: string; inventory: Inventory },
): Shrunk | undefined => {
  const losses = lossesOf(before.inventory, after.inventory);
  if (losses.length === 0) return undefined;
  const said = losses
    .slice(0, MOST_SAID)
    .map(({ name, from, to }) => `${name} had ${from} rows, now ${to ?? 'there is no such table'}`);
  const more = losses.length - said.length;
  return {
    before: before.id,
    after: after.id,
    tables: losses.slice(0, MOST_NAMES).map(({ name }) => name),
    rows: losses.reduce((sum, loss) => sum + lost(loss), 0),
    text: [...said, ...(more === 0 ? [] : [`${more} more shrank`])].join('; '),
  };
};

/**
 * The records with a new one. Of the same tables only the first and the last are kept, because some tables are emptied
 * every night. Beyond the most that are held, those with the smallest loss give way.
 */
export const withShrunk = (held: readonly Shrunk[], shrunk: Shrunk): Shrunk[] => {
  const same = held.filter(({ tables }) => shrunk.tables.every((name) => tables.includes(name)));
  const replaced = same.length > 1 ? same.at(-1) : undefined;
  const all = [...held.filter((each) => each !== replaced && each.after !== shrunk.after), shrunk];
  const kept = [...all].sort((a, b) => b.rows - a.rows).slice(0, MOST_HELD);
  return all.filter((each) => kept.includes(each));
};
