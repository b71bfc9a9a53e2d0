import { type Manifest, newestFirst } from './manifest.js';

/**
 * The committed backups of the lineage that may be removed to keep `keep`. Others' backups neither count
 * nor are removed (H16), the newest one never is, and those of `spared` stay besides.
 */
export const expired = (
  backups: readonly Manifest[],
  lineage: string,
  keep: number,
  spared: ReadonlySet<string> = new Set(),
): readonly Manifest[] =>
  backups
    .filter((backup) => backup.lineage === lineage)
    .sort(newestFirst)
    .slice(Math.max(keep, 1))
    .filter(({ id }) => !spared.has(id));
