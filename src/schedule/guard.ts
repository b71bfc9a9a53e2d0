import { backoff } from '../operations/asking.js';
import { planBoot } from '../operations/boot.js';
import { settle, standDownIfDue } from '../operations/hear.js';
import type { Node } from '../operations/node.js';
import { observeApp } from '../operations/serve-steps.js';
import { activePause, isServing } from '../operations/status.js';
import { isError } from '../pure/errors.js';

const RESTART_MOST = 600_000;

/**
 * Holds what runs on this machine to the role on disk: stops an app that may not run, starts one that should,
 * asks the peer about a promise that is still open. Changes nothing while an operation runs.
 */
export const createGuard = (node: Node): (() => Promise<void>) => {
  let servedAt = node.clock.elapsed();
  let restarts = 0;
  return async () => {
    observeApp(node, await node.stack.app.check());
    if (node.runner.current !== undefined) {
      servedAt = node.clock.elapsed();
      return;
    }
    const { mode } = node.state.current;
    if (mode === 'primary') {
      if (isServing(node)) restarts = 0;
      if (isServing(node) || activePause(node) !== null) servedAt = node.clock.elapsed();
      if (
        node.clock.elapsed() - servedAt <
        backoff(restarts, node.settings.appRestartAfter, RESTART_MOST)
      )
        return;
      restarts += 1;
      await node.runner.start(planBoot(node, 'the app does not answer'), { source: 'agent' });
      return;
    }
    if (await node.stack.app.isRunning()) {
      node.log.warn({ mode }, 'somebody started the app on a node that may not serve');
      await node.runner.start(planBoot(node, 'the app was started by somebody else'), {
        source: 'agent',
      });
      return;
    }
    await standDownIfDue(node);
    await settle(node).catch((error: unknown) => {
      if (!isError(error, 'peer-unreachable')) throw error;
    });
  };
};

/** Looks at the database now and then, so that `/status` can show its marker without asking it every time. */
export const createDatabaseWatch = (node: Node) => async (): Promise<void> => {
  const { database } = node.stack;
  const answers = await database.answers();
  const marker = answers ? (await database.live().catch(() => undefined))?.marker : undefined;
  node.observed.database = { value: { answers, marker }, at: node.clock.now() };
};
