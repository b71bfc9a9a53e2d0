import type { Node } from '../operations/node.js';
import { runRoleHook } from '../serve/role-hook.js';
import { isServing } from '../serve/serving.js';
import { createRestartBackoff } from './restart-backoff.js';

/** Milliseconds until a command that failed is run again. */
const RETRY_FIRST = 30_000;
const RETRY_MOST = 600_000;
/** Longer than a command may take. */
const TIMEOUT = 70_000;

/**
 * Runs ON_STANDBY_COMMAND once this node has lost the role and its app is stopped, and again until it works. A primary
 * runs its command before its app starts: beside an app that runs, its role is only taken note of.
 */
export const createRoleHookWatch = (
  node: Pick<Node, 'state' | 'leadership' | 'stack' | 'local' | 'clock' | 'log' | 'runner'>,
): (() => Promise<void>) => {
  const backoff = createRestartBackoff(node.clock, { first: RETRY_FIRST, most: RETRY_MOST });
  return async () => {
    const { stack, local } = node;
    const { mode, epoch } = node.state.current;
    if (mode === 'primary' && node.runner.current === undefined && isServing(node))
      await stack.noteRole?.(mode, epoch);
    if (mode !== 'standby' || stack.onRole === undefined || (await stack.app.isRunning())) return;
    if (local.hookError !== undefined && !backoff.isDue('wrong')) return;
    const failure = await runRoleHook(node, AbortSignal.timeout(TIMEOUT));
    if (failure === undefined) return backoff.reset();
    node.log.error({ error: failure }, 'ON_STANDBY_COMMAND failed; it is tried again');
  };
};
