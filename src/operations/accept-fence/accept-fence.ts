import type { FenceCommand } from '../../domain/commands.js';
import { Refused } from '../../domain/errors.js';
import type { Plan, Step } from '../../engine/plan.js';
import { stopAppStep } from '../../serve/serve.js';
import type { Node } from '../node.js';

/** @throws Refused `stale-epoch` when the peer does not know the present epoch, `busy` during a handover of ours */
export const assertMayFence = (node: Node, { epoch }: FenceCommand): void => {
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
          const nothing = { finalBackup: null, writes: null };
          const yielding = { operation, epoch, cause: 'fence' as const, ...nothing };
          await node.state.apply('yield', node.state.current.epoch, { yielding });
          return undefined;
        },
      },
      ...yieldSteps(node),
    ],
    isCommitted: () => node.state.current.yielding?.operation === command.operation,
  };
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
