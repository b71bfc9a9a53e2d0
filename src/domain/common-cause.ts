import { z } from 'zod';

/** What the app of the primary before answered at an unplanned takeover, and how many in a row nobody has served after. */
export const unservedSchema = z
  .object({ detail: z.string(), takeovers: z.int().positive() })
  .meta({ id: 'Unserved' });
export type Unserved = z.infer<typeof unservedSchema>;

/** Takeovers in a row after which nobody was served. Different answers may come from two servers that are both bad. */
const ENOUGH = 2;

/**
 * Whether the app fails here as it did on the server before, so that no server is to blame (H50). The same answer is
 * enough. An app that does not answer at all gets a second try on the other server.
 */
export const failsOnBoth = (unserved: Unserved | null, detail: string): boolean =>
  unserved !== null &&
  (unserved.takeovers >= ENOUGH ||
    (/^(answers|breaks)/.test(detail) && detail === unserved.detail));

/** What a takeover from this primary leaves to the new one, which has not served yet. */
export const inheritedFrom = (old: {
  app: { detail: string };
  unserved?: Unserved | null;
}): Unserved => ({
  detail: old.app.detail,
  takeovers: (old.unserved?.takeovers ?? 0) + 1,
});
