import { z } from 'zod';

/**
 * `<prefix>_<YYYYMMDD_HHMMSS>` in UTC. The id becomes a file name, so nothing else is accepted:
 * no separator, no leading dot, at most 120 characters.
 */
export const backupIdSchema = z
  .string()
  .max(120)
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9_-]*_\d{8}_\d{6}$/,
    'must look like shop_20261122_193000 (letters, digits, _ and -, then _YYYYMMDD_HHMMSS in UTC)',
  );

/** `20261122_193000` for a moment in milliseconds since 1970, in UTC. */
export const timestamp = (at: number): string => {
  const iso = new Date(at).toISOString();
  return `${iso.slice(0, 10).replaceAll('-', '')}_${iso.slice(11, 19).replaceAll(':', '')}`;
};

/** A new backup's id: the first free second at or after `at`, since two backups may be asked for in one second. */
export const newBackupId = (
  prefix: string,
  at: number,
  isTaken: (id: string) => boolean,
): string => {
  for (let second = at; ; second += 1000) {
    const id = `${prefix}_${timestamp(second)}`;
    if (!isTaken(id)) return id;
  }
};
