import { type ColdspareError, isError } from '../../domain/errors.js';
import type { Steps } from '../../engine/operation.js';
import type { Stack } from '../../ports/stack.js';
import type { NodeState } from '../../state/node-state.js';

const STOP_TIMEOUT = 60_000;

/** Starts the database for a restore. The undo stops the database of a standby again. */
export const startDatabase = (
  { state, stack }: { state: Pick<NodeState, 'current'>; stack: Pick<Stack, 'database'> },
  steps: Steps<'start-database'>,
  hooks: { before?(): Promise<void>; afterUndo?(error: ColdspareError): Promise<void> } = {},
): Promise<void> =>
  steps.step(
    'start-database',
    async ({ signal }) => {
      await hooks.before?.();
      await stack.database.start(signal);
    },
    {
      undo: async (error) => {
        // The operation that preempts this one uses the database. A yielding node keeps it, because it holds the data.
        const isLeft = isError(error, 'preempted') || state.current.mode !== 'standby';
        if (!isLeft) await stack.database.stop(AbortSignal.timeout(STOP_TIMEOUT));
        await hooks.afterUndo?.(error);
      },
    },
  );
