import type { FenceCommand } from '../../domain/commands.js';
import { Refused } from '../../domain/errors.js';
import type { Plan, Steps } from '../../engine/operation.js';
import { stopApp } from '../../serve/app.js';
import type { Node } from '../node.js';

export const YIELD_STEPS = ['stop-app', 'freeze'] as const;
const STEPS = ['record-fence', ...YIELD_STEPS] as const;

/** @throws Refused `stale-epoch` when the peer's epoch is too low, `busy` while this node hands over */
export const assertMayFence = (
  { state, settings }: Pick<Node, 'state' | 'settings'>,
  { epoch }: FenceCommand,
): void => {
  const { epoch: mine, yielding } = state.current;
  if (epoch <= mine) {
    throw new Refused(
      'stale-epoch',
      `epoch ${epoch} is not above ${mine}, the epoch of ${settings.nodeName}`,
      'compare GET /status of both nodes: the asking one is behind',
      { value: epoch },
    );
  }
  if (yielding?.cause === 'handover') {
    throw new Refused(
      'busy',
      `${settings.nodeName} is handing over in ${yielding.operation}`,
      `GET /operations/${yielding.operation} on the node that takes over`,
      { value: yielding.operation },
    );
  }
};

/** What accepting a fence acts through. */
export type Fenceable = Pick<Node, 'state' | 'leadership' | 'stack' | 'clock' | 'local'>;

/**
 * Stops serving because the peer takes over. The node first records on disk that it yields. It yields until the peer
 * says how its operation ended (resolvePendingYield).
 */
export const planFence = (node: Fenceable, { operation, epoch }: FenceCommand): Plan => ({
  kind: 'fence',
  reason: `the other node takes over in ${operation}`,
  command: { type: 'fence', operation, epoch },
  steps: STEPS,
  run: async (steps: Steps<(typeof STEPS)[number]>) => {
    await steps.step('record-fence', async ({ commit }) => {
      const promised = { operation, epoch, cause: 'fence' as const };
      await node.leadership.handOff({ ...promised, finalBackup: null, writes: null });
      commit();
    });
    await yieldMachine(node, steps);
  },
  isCommitted: () => node.state.current.yielding?.operation === operation,
});

/** A yielding node runs no app and takes no writes. */
export const yieldMachine = async (
  node: Pick<Node, 'stack' | 'clock' | 'local'>,
  steps: Steps<(typeof YIELD_STEPS)[number]>,
): Promise<void> => {
  await steps.step('stop-app', ({ signal }) => stopApp(node, signal));
  await steps.step('freeze', async ({ say }) => {
    const { database } = node.stack;
    if (!(await database.answers())) return say('the database does not run');
    await database.freeze();
    say('the database refuses writes');
  });
};
