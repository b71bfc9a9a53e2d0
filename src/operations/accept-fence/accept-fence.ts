import type { FenceCommand } from '../../domain/commands.js';
import { Refused } from '../../domain/errors.js';
import { doubtOf } from '../../domain/lost-role.js';
import { assertNearEpoch } from '../../domain/transitions.js';
import type { Plan, Steps } from '../../engine/operation.js';
import { stopApp } from '../../serve/app.js';
import type { Node } from '../node.js';

export const YIELD_STEPS = ['stop-app', 'freeze'] as const;
/** Milliseconds that a node whose state is in doubt is not fenced. Afterwards a takeover matters more. */
const FIND_ROLE_PATIENCE = 60_000;

const STEPS = ['record-fence', ...YIELD_STEPS] as const;

/** @throws Refused `invalid-request` when the peer's epoch is far too high, `stale-epoch` when it is too low, `busy` while this node hands over */
export const assertMayFence = (
  { state, settings, clock }: Pick<Node, 'state' | 'settings' | 'clock'>,
  { epoch }: FenceCommand,
): void => {
  const { epoch: mine, yielding, since } = state.current;
  assertNearEpoch(epoch, mine);
  if (epoch <= mine) {
    throw new Refused(
      'stale-epoch',
      `epoch ${epoch} is not above ${mine}, the epoch of ${settings.nodeName}`,
      'compare GET /status of both nodes: the asking one is behind',
      { value: epoch },
    );
  }
  // In doubt it would take its last dump under an epoch that is past.
  const isLookingForRole =
    doubtOf(yielding) !== undefined &&
    Math.abs(clock.now() - Date.parse(since)) < FIND_ROLE_PATIENCE;
  if (isLookingForRole) {
    throw new Refused(
      'busy',
      `${settings.nodeName} has lost its state and is finding out which role it has`,
      'ask again in a minute',
      { value: yielding?.operation },
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
export const planFence = (node: Fenceable, command: FenceCommand): Plan => ({
  kind: 'fence',
  reason: `the other node takes over in ${command.operation}`,
  command: { type: 'fence', ...command },
  steps: STEPS,
  run: async (steps: Steps<(typeof STEPS)[number]>) => {
    await steps.step('record-fence', async ({ commit }) => {
      const { operation, epoch } = command;
      const promised = { operation, epoch, cause: 'fence' as const };
      await node.leadership.handOff({ ...promised, finalBackup: null, writes: null });
      commit();
    });
    await yieldMachine(node, steps);
  },
  isCommitted: () => node.state.current.yielding?.operation === command.operation,
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
