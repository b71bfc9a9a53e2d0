import { backoff } from '../operations/asking.js';
import { usableBackups } from '../operations/choose-steps.js';
import type { Node } from '../operations/node.js';
import { planPrepare } from '../operations/prepare.js';
import type { Manifest } from '../pure/manifest.js';

const RETRY_MOST = 300_000;

/** Restores the newest backup of a standby ahead of time; what came to nothing is tried again with growing pauses. */
export const createPreparation = (node: Node): (() => Promise<void>) => {
  let tried: string | undefined;
  let attempts = 0;
  let notBefore = 0;
  return async () => {
    const due = duePreparation(node);
    if (due === undefined || node.runner.current !== undefined) return;
    if (due.id !== tried) {
      tried = due.id;
      attempts = 0;
      notBefore = 0;
    }
    if (node.clock.elapsed() < notBefore) return;
    notBefore = node.clock.elapsed() + backoff(attempts, node.settings.checkInterval, RETRY_MOST);
    attempts += 1;
    await node.runner.start(planPrepare(node, due), { source: 'schedule' });
  };
};

/** The backup that is to be restored ahead of time; undefined when there is nothing to do. */
const duePreparation = (node: Node): Manifest | undefined => {
  const { mode, standDown, prepared, proofs } = node.state.current;
  if (node.settings.prepare !== 'on-receive' || mode !== 'standby' || standDown !== null)
    return undefined;
  const newest = usableBackups(node)[0];
  if (newest === undefined || newest.id === prepared) return undefined;
  return proofs[newest.id]?.error ? undefined : newest;
};
