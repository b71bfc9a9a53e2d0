import { Refused } from '../domain/errors.js';
import { type Asker, type CommandOf, type CommandType, request } from '../operations/commands.js';
import type { Node } from '../operations/node.js';

/** Requests an operation. A refusal is logged, because no caller could act on it. */
export const requestOrLog = async <T extends CommandType>(
  node: Node,
  type: T,
  command: CommandOf<T>,
  asker: Asker,
): Promise<void> => {
  try {
    await request(node, type, command, asker);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    node.log.warn({ code: error.code }, `no ${type} this time: ${error.message}`);
  }
};
