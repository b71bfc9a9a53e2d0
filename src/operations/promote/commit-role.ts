import type { Manifest } from '../../domain/manifest.js';
import type { Plan, Steps } from '../../engine/operation.js';
import { isoNow } from '../../ports/clock.js';
import type { Node } from '../node.js';

/** What every promote has in common: from the moment the epoch is ours on disk, there is no going back (H07). */
export const promotion = (
  node: Pick<Node, 'state'>,
): Pick<Plan, 'kind' | 'isCommitted' | 'isPreemptible'> => ({
  kind: 'promote',
  isCommitted: ({ id }) => node.state.current.promotion?.operation === id,
  // Superseded while it was still starting its app: standing down is more urgent.
  isPreemptible: () => node.state.current.standDown !== null,
});

/** What the report of every promote begins with. */
export const reportOutcome = (steps: Pick<Steps, 'report'>, epoch = 0): void =>
  steps.report({
    epoch,
    backup: null,
    backupTakenAt: null,
    loss: null,
    rejectedBackups: [],
    replacedDatabase: null,
  });

interface Claim {
  epoch: number;
  /** What the database was restored from; absent where it was here already. */
  backup?: Manifest;
  /** What is lost, in words; absent where this node's own data goes on. */
  loss?: string;
  cause: 'planned' | 'unplanned' | 'reclaimed';
}

/** How many failovers are remembered. */
const FAILOVERS_KEPT = 10;

/** Becomes the primary. */
export const commitRole = (
  node: Pick<Node, 'settings' | 'state' | 'leadership' | 'clock' | 'notifier'>,
  steps: Steps<'commit-role'>,
  { epoch, backup, loss, cause }: Claim,
): Promise<void> =>
  steps.step('commit-role', async ({ operation, say, commit }) => {
    const { lineage, failovers, parity, failbackDue } = node.state.current;
    const at = isoNow(node);
    const isUnplanned = cause === 'unplanned';
    await node.leadership.acquire(epoch, {
      lineage: backup?.lineage ?? lineage,
      promotion: { operation, epoch, backup: backup?.id ?? null, at },
      failbackDue: cause === 'reclaimed' ? failbackDue : isUnplanned && parity === 'even',
      failovers: isUnplanned ? [...failovers, at].slice(-FAILOVERS_KEPT) : failovers,
      standDown: null,
      prepared: null,
      unusable: null,
    });
    commit();
    node.notifier.announce({
      event: 'promoted',
      severity: isUnplanned ? 'critical' : 'info',
      message: `${node.settings.nodeName} is the primary from epoch ${epoch} on; ${loss ?? 'its own data was kept'}`,
      remedy: `GET /operations/${operation}`,
    });
    say(`primary at epoch ${epoch}`);
  });
