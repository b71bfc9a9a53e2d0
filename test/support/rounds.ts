import type { OperationRecord } from '../../src/domain/operation.js';
import type { Node } from '../../src/operations/node.js';

/**
 * What an agent does again and again, on a node for which time passes between two rounds. Each resolves to the operation
 * that it has started, once that has ended; to undefined without one.
 */
export const roundsOf = <N extends Pick<Node, 'clock' | 'runner'>>(
  node: N,
  create: (node: N) => () => Promise<void>,
): ((ms: number) => Promise<OperationRecord | undefined>) => {
  const { clock, runner } = node;
  const { elapsed } = clock;
  let later = 0;
  clock.elapsed = () => elapsed() + later;
  const round = create(node);
  return async (ms) => {
    later += ms;
    await round();
    return runner.current && runner.wait(runner.current.id, 10_000);
  };
};
