import { replacedCopies } from '../../domain/database-names.js';
import { toColdspareError } from '../../domain/errors.js';
import type { Steps } from '../../engine/operation.js';
import type { Stack } from '../../ports/stack.js';

/**
 * Drops all replaced databases but the newest one, which the last swap replaced. A failure is reported and does not
 * fail the operation.
 */
export const dropOldCopies = (
  { settings, stack }: { settings: { databaseName: string }; stack: Pick<Stack, 'database'> },
  steps: Steps<'drop-old-copies'>,
): Promise<void> =>
  steps.step('drop-old-copies', async ({ say }) => {
    const { database } = stack;
    try {
      const copies = replacedCopies(settings.databaseName, await database.others());
      for (const name of copies.slice(0, -1)) await database.drop(name);
      if (copies.length > 1) say(`dropped ${copies.slice(0, -1).join(', ')}`);
    } catch (error) {
      say(`old copies could not be dropped: ${toColdspareError(error).message}`);
    }
  });
