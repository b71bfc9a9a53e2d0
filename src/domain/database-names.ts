import { timestamp } from './backup-id.js';

/** Bytes. PostgreSQL cuts longer names without a word, and two cut names could be one. */
export const LONGEST_NAME = 63;

const suffixed = (database: string, suffix: string): string =>
  `${cut(database, LONGEST_NAME - suffix.length)}${suffix}`;

/** As many whole characters as fit into so many bytes. */
const cut = (text: string, bytes: number): string =>
  bytesIn(text) <= bytes ? text : cut([...text].slice(0, -1).join(''), bytes);

export const bytesIn = (text: string): number => new TextEncoder().encode(text).length;

/** Where a restore goes before it is proven. */
export const incomingName = (database: string): string => suffixed(database, '_incoming');

/** Where a drill restores: nobody else goes by this name. */
export const drillName = (database: string): string => suffixed(database, '_drill');

/** The dated name of the database that a restore replaced; `taken` are those of other databases. */
export const replacedName = (database: string, at: number, taken: readonly string[] = []): string =>
  datedName(database, '_before_', at, taken);

/** The dated name of a database that was written to after its node had been superseded. */
export const divergedName = (database: string, at: number, taken: readonly string[] = []): string =>
  datedName(database, '_diverged_', at, taken);

/** The first free second at or after `at`: a takeover may follow a preparation within one. */
const datedName = (
  database: string,
  suffix: string,
  at: number,
  taken: readonly string[],
): string => {
  for (let second = at; ; second += 1000) {
    const name = suffixed(database, `${suffix}${timestamp(second)}`);
    if (!taken.includes(name)) return name;
  }
};

/** Which of `names` are replaced copies of `database`, oldest first. Diverged ones are not: only a person may drop those. */
export const replacedCopies = (database: string, names: readonly string[]): string[] =>
  dated(replacedName(database, 0), names);

/** Which of `names` are diverged copies of `database`, oldest first. */
export const divergedCopies = (database: string, names: readonly string[]): string[] =>
  dated(divergedName(database, 0), names);

/** Those of `names` that differ from `example` in nothing but the date at their end. */
const dated = (example: string, names: readonly string[]): string[] => {
  const stem = example.slice(0, -'00000000_000000'.length);
  return names
    .filter((name) => name.startsWith(stem) && /^\d{8}_\d{6}$/.test(name.slice(stem.length)))
    .sort();
};
