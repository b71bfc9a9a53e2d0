import type { FenceCommand } from '../pure/commands.js';
import { ColdspareError, Refused } from '../pure/errors.js';
import type { Marker } from '../pure/marker.js';
import { hasEnded } from '../pure/operation.js';
import type { Node } from './node.js';
import type { Plan, Step } from './plan.js';
import { stopAppStep } from './serve-steps.js';

/** @throws Refused `stale-epoch` when the peer does not know the present epoch, `busy` during a handover of ours */
export const refuseFence = (node: Node, { epoch }: FenceCommand): void => {
  const { epoch: mine, yielding } = node.state.current;
  if (epoch <= mine) {
    throw new Refused(
      'stale-epoch',
      `epoch ${epoch} is not above ${mine}, the epoch of ${node.settings.nodeName}`,
      'look at GET /status of both nodes: the asking one is behind',
      { value: epoch },
    );
  }
  if (yielding?.cause === 'handover') {
    throw new Refused(
      'busy',
      `${node.settings.nodeName} is handing over in ${yielding.operation}`,
      `GET /operations/${yielding.operation} on the node that takes over`,
      { value: yielding.operation },
    );
  }
};

/**
 * Stops serving because the peer means to take over. The promise is on disk first: it holds until the peer
 * says what its operation came to (settle.ts).
 */
export const planFence = (node: Node, command: FenceCommand): Plan => {
  return {
    kind: 'fence',
    reason: `the other node takes over in ${command.operation}`,
    command: { type: 'fence', ...command },
    steps: [
      {
        name: 'promise',
        commits: true,
        run: async () => {
          const { operation, epoch } = command;
          const yielding = { operation, epoch, cause: 'fence' as const, finalBackup: null };
          await node.state.apply('yield', node.state.current.epoch, { yielding });
          return undefined;
        },
      },
      ...yieldSteps(node),
    ],
    isCommitted: () => node.state.current.yielding?.operation === command.operation,
  };
};

/**
 * The other node may have fenced this one without its agent. What it left in the database's marker counts as a
 * promise of ours, unless it says that the takeover came to nothing. What became of it, settle asks.
 * @throws ColdspareError `yielding`
 */
export const obeyFence = async (
  { state, peer, settings }: Node,
  marker: Marker | undefined,
): Promise<void> => {
  const { epoch: mine, sequence } = state.current;
  if (marker?.fenced === undefined || marker.fenced.epoch <= mine) return;
  const { operation, epoch, backup: finalBackup, ...fenced } = marker.fenced;
  const record = await peer.operation(operation).catch(() => 'unknown' as const);
  const isOver = record !== 'unknown' && (record === undefined || hasEnded(record));
  if (isOver && !record?.committed)
    return state.update({ sequence: Math.max(sequence, fenced.sequence) });
  await state.apply('yield', mine, {
    yielding: { operation, epoch, cause: 'fence', finalBackup },
  });
  throw new ColdspareError(
    'yielding',
    `the other node fenced ${settings.nodeName} in ${operation} while its agent was down: it does not serve before that is decided`,
    'nothing to do: it asks the other node; when that is gone for good, POST /promote {"force": true} takes the role back',
    { value: operation },
  );
};

/** What a yielding node does with its machine: no app, no writes. */
export const yieldSteps = (node: Node): Step[] => [
  stopAppStep(node),
  {
    name: 'freeze',
    run: async () => {
      const { database } = node.stack;
      if (!(await database.answers())) return 'the database does not run';
      await database.freeze();
      return 'no more writes';
    },
  },
];
