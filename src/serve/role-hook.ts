import { toColdspareError } from '../domain/errors.js';
import type { Stack } from '../ports/stack.js';
import type { NodeState } from '../state/node-state.js';
import type { LocalView } from './local-view.js';

interface Hooked {
  state: Pick<NodeState, 'current'>;
  stack: Pick<Stack, 'onRole'>;
  local: Pick<LocalView, 'hookError'>;
}

/** Runs the command for a change of role that has just happened. A failure is remembered and returned, never thrown. */
export const runRoleHook = async (
  { state, stack, local }: Hooked,
  signal: AbortSignal,
): Promise<string | undefined> => {
  const { mode, epoch } = state.current;
  if (stack.onRole === undefined || mode === 'yielding') return undefined;
  try {
    if (await stack.onRole(mode, epoch, signal)) local.hookError = undefined;
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    local.hookError = toColdspareError(error);
    return local.hookError.message;
  }
};
