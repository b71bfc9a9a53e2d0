import { type Manifest, newestFirst } from './manifest.js';

/**
 * The committed backups of the lineage that may be removed to keep `keep`. Others' backups neither count
 * nor are removed (H16), and the newest one never is.
 */
export const expired = (
  backups: readonly Manifest[],
  lineage: string,
  keep: number,
): readonly Manifest[] =>
  backups
    .filter((backup) => backup.lineage === lineage)
    .sort(newestFirst)
    .slice(Math.max(keep, 1));
