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

/** Milliseconds. What is named further ahead was named before the clock was put back. */
const AHEAD = 3_600_000;

/**
 * A new backup's id: the first free second at or after `at`. Several backups may be asked for in one second, so
 * it is also later than every one of `ours`: a name that became free here may still stand for its old content
 * at the peer.
 */
export const newBackupId = (
  prefix: string,
  at: number,
  { ours, isTaken }: { ours: readonly string[]; isTaken: (id: string) => boolean },
): string => {
  const ahead = ours.map(secondOf).filter((named) => named < at + AHEAD);
  for (let second = Math.max(at, ...ahead.map((named) => named + 1000)); ; second += 1000) {
    const id = `${prefix}_${timestamp(second)}`;
    if (!isTaken(id)) return id;
  }
};

const secondOf = (id: string): number =>
  Date.parse(id.slice(-15).replace(/(....)(..)(..)_(..)(..)(..)/, '$1-$2-$3T$4:$5:$6Z'));
