import { ColdspareError, isError } from '../../domain/errors.js';
import { hasForgotten } from '../../domain/lost-role.js';
import type { Marker } from '../../domain/marker.js';
import type { Steps } from '../../engine/operation.js';
import type { Leadership } from '../../leadership/leadership.js';
import type { Stack } from '../../ports/stack.js';
import type { NodeState } from '../../state/node-state.js';

const STOP_TIMEOUT = 60_000;

/** For a database that is started for a restore. */
export interface Starter {
  leadership: Pick<Leadership, 'doubt'>;
  state: NodeState;
  stack: Pick<Stack, 'database'>;
}

/**
 * Starts the database for a restore, and looks whether the node remembers what it served, and whether what was prepared
 * is still in it. The undo stops the database of a standby again.
 */
export const startDatabase = (
  node: Starter,
  steps: Steps<'start-database'>,
  hooks: { before?(): Promise<void>; afterUndo?(error: ColdspareError): Promise<void> } = {},
): Promise<void> =>
  steps.step(
    'start-database',
    async ({ signal }) => {
      await hooks.before?.();
      await node.stack.database.start(signal);
      await compareWithState(node);
    },
    {
      undo: async (error) => {
        // The operation that preempts this one uses the database. A yielding node keeps it, because it holds the data.
        const { state, stack } = node;
        const isLeft = isError(error, 'preempted') || state.current.mode !== 'standby';
        // What does not answer yet is left to come up: the next attempt finds it further on.
        if (!isLeft && (await stack.database.answers()))
          await stack.database.stop(AbortSignal.timeout(STOP_TIMEOUT));
        await hooks.afterUndo?.(error);
      },
    },
  );

/**
 * A state that has gone back in time is noticed at the agent's start only when the database runs then. What it served
 * must not be replaced by an older backup (H36).
 */
const compareWithState = async ({ leadership, state, stack }: Starter): Promise<void> => {
  if (state.current.mode !== 'standby') return;
  const { marker } = await stack.database.live();
  if (!hasForgotten(state.current, marker)) return forgetUnlessIn(marker, state);
  await leadership.doubt('older');
  throw new ColdspareError(
    'yielding',
    `the database here has served at epoch ${marker?.epoch}, of which this node remembers nothing: its state in STATE_DIR is older than its database`,
    'nothing to do at once: the node finds its role as soon as the other agent answers; when that one is gone for good, POST /promote {"force": true} makes this node the primary with the data that it has',
    { value: marker?.epoch },
  );
};

/**
 * A volume may have been removed and made anew, with `docker compose down -v`. Then nothing is prepared any more, and the
 * backup is restored again ahead of time. For a database that runs. A failure is ignored: a takeover looks itself.
 */
export const forgetIfGone = async ({
  state,
  stack,
}: Omit<Starter, 'leadership'>): Promise<void> => {
  if (state.current.mode !== 'standby' || state.current.prepared === null) return;
  const live = await stack.database.live().catch(() => undefined);
  if (live !== undefined) await forgetUnlessIn(live.marker, state);
};

/** What was prepared is in the database only with this marker. */
const forgetUnlessIn = async (marker: Marker | undefined, state: NodeState): Promise<void> => {
  const { prepared } = state.current;
  if (prepared === null || marker?.backup === prepared) return;
  // The next look will do.
  await state.update({ prepared: null }).catch(() => {});
};
