import type { OperationRecord } from '../domain/operation.js';
import { RESTART_REASONS } from '../operations/boot/boot.js';
import type { Node } from '../operations/node.js';
import type { Restart } from '../serve/local-view.js';

/** More than enough for an hour. */
const KEPT = 100;

const REASONS: readonly string[] = Object.values(RESTART_REASONS);

/**
 * How often this node has started again what had served before, oldest first, also before this agent was started. The
 * result is kept up to date. A start that failed is not counted: then the app is down, which is told as well.
 */
export const watchRestarts = ({ runner }: Pick<Node, 'runner'>): Restart[] => {
  const restarts: Restart[] = [];
  const keep = ({ kind, state, reason, startedAt }: OperationRecord): void => {
    if (kind !== 'boot' || state !== 'done' || !REASONS.includes(reason)) return;
    restarts.push({ at: Date.parse(startedAt), reason });
    if (restarts.length > KEPT) restarts.shift();
  };
  for (const record of runner.list().reverse()) keep(record);
  runner.onEnd(keep);
  return restarts;
};
