import { type ColdspareError, isError } from '../../domain/errors.js';
import type { Steps } from '../../engine/operation.js';
import type { Stack } from '../../ports/stack.js';
import type { NodeState } from '../../state/node-state.js';

const STOP_TIMEOUT = 60_000;

interface Starter {
  state: Pick<NodeState, 'current' | 'update'>;
  stack: Pick<Stack, 'database'>;
}

/**
 * Starts the database for a restore, and looks whether what was prepared is still in it. The undo stops the database of
 * a standby again.
 */
export const startDatabase = (
  { state, stack }: Starter,
  steps: Steps<'start-database'>,
  hooks: { before?(): Promise<void>; afterUndo?(error: ColdspareError): Promise<void> } = {},
): Promise<void> =>
  steps.step(
    'start-database',
    async ({ signal }) => {
      await hooks.before?.();
      await stack.database.start(signal);
      await forgetIfGone({ state, stack });
    },
    {
      undo: async (error) => {
        // The operation that preempts this one uses the database. A yielding node keeps it, because it holds the data.
        const isLeft = isError(error, 'preempted') || state.current.mode !== 'standby';
        // What does not answer yet is left to come up: the next attempt finds it further on.
        if (!isLeft && (await stack.database.answers()))
          await stack.database.stop(AbortSignal.timeout(STOP_TIMEOUT));
        await hooks.afterUndo?.(error);
      },
    },
  );

/**
 * A volume may have been removed and made anew, with `docker compose down -v`. Then nothing is prepared any more, and the
 * backup is restored again ahead of time. For a database that runs. A failure is ignored: a takeover looks itself.
 */
export const forgetIfGone = async ({ state, stack }: Starter): Promise<void> => {
  const { mode, prepared } = state.current;
  if (mode !== 'standby' || prepared === null) return;
  try {
    const { marker } = await stack.database.live();
    if (marker?.backup !== prepared) await state.update({ prepared: null });
  } catch {
    // The next look will do.
  }
};
