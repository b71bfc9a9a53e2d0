import { z } from 'zod';

/**
 * Kept in `COMMENT ON DATABASE`: which data this is. A database without the expected lineage is not
 * production data, whatever it contains.
 */
export const markerSchema = z.object({
  lineage: z.string().min(1),
  epoch: z.int().positive(),
  /** The backup it was restored from; null for the database that was adopted at first start. */
  backup: z.string().nullable(),
  /** True from just before the app may write to it: such a database is not the backup's content any more. */
  served: z.boolean(),
  /**
   * Left by the other node when it takes over without this node's agent, which has to obey when it is back: the
   * database is frozen for that operation, which means to take that epoch.
   */
  fenced: z
    .object({
      operation: z.string(),
      epoch: z.int().positive(),
      /** The backup that holds everything in here; null when none was taken. */
      backup: z.string().nullable(),
      /** That backup's number in the marker's epoch, not to be given again. */
      sequence: z.int().nonnegative(),
    })
    .optional(),
});
export type Marker = z.infer<typeof markerSchema>;

const PREFIX = 'coldspare:';

/** The comment that carries `marker`, after whatever the owner had written there. */
export const withMarker = (comment: string | undefined, marker: Marker): string => {
  const own = ownerComment(comment);
  return `${own === '' ? '' : `${own}\n`}${PREFIX}${JSON.stringify(marker)}`;
};

/** The marker in a database's comment; undefined when there is none, or none that can be read. */
export const readMarker = (comment: string | undefined): Marker | undefined => {
  const at = comment?.lastIndexOf(PREFIX) ?? -1;
  if (comment === undefined || at < 0) return undefined;
  try {
    return markerSchema.parse(JSON.parse(comment.slice(at + PREFIX.length)));
  } catch {
    return undefined;
  }
};

const ownerComment = (comment = ''): string => {
  const at = comment.lastIndexOf(PREFIX);
  return (at < 0 ? comment : comment.slice(0, at)).trimEnd();
};
