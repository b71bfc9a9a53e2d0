import { type Manifest, newestFirst } from './manifest.js';

/** How many committed backups of a lineage are kept. */
export interface Retention {
  /** The newest ones. */
  newest: number;
  /** Of so many days, the newest backup of each. */
  daily: number;
  /** Of so many weeks, the newest backup of each. */
  weekly: number;
}

const DAY = 86_400_000;
/** 1970 began on a Thursday, and a week begins on Monday. */
const MONDAY = 3;

/**
 * The committed backups of the lineage that may be removed, newest first. Others' backups neither count nor are removed
 * (H16), the newest one never is, and those of `spared` stay besides. Days and weeks without a backup do not count, so
 * nothing is removed because time goes by, or because a clock is wrong.
 */
export const expired = (
  backups: readonly Manifest[],
  lineage: string,
  { newest, daily, weekly }: Retention,
  spared: ReadonlySet<string> = new Set(),
): readonly Manifest[] => {
  const ours = backups.filter((backup) => backup.lineage === lineage).sort(newestFirst);
  const day = ({ takenAt }: Manifest) => Math.floor(Date.parse(takenAt) / DAY);
  const kept = new Set([
    ...ours.slice(0, Math.max(newest, 1)),
    ...firstOfEach(ours, day).slice(0, daily),
    ...firstOfEach(ours, (backup) => Math.floor((day(backup) + MONDAY) / 7)).slice(0, weekly),
  ]);
  return ours.filter((backup) => !kept.has(backup) && !spared.has(backup.id));
};

const firstOfEach = <T>(items: readonly T[], groupOf: (item: T) => number): T[] => {
  const groups = new Map<number, T>();
  for (const item of items) if (!groups.has(groupOf(item))) groups.set(groupOf(item), item);
  return [...groups.values()];
};
