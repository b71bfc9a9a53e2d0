import type { Manifest } from '../../domain/manifest.js';
import type { Plan, Steps } from '../../engine/operation.js';
import { isoNow } from '../../ports/clock.js';
import type { Node } from '../node.js';

/** The common part of every promote. Once the epoch is on disk, it is never rolled back (H07). */
export const promotion = (
  node: Pick<Node, 'state'>,
): Pick<Plan, 'kind' | 'isCommitted' | 'isPreemptible'> => ({
  kind: 'promote',
  isCommitted: ({ id }) => node.state.current.promotion?.operation === id,
  // Superseded while it starts its app: the stand-down is more urgent.
  isPreemptible: () => node.state.current.standDown !== null,
});

/** The initial result of every promote. */
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
  /** The backup that was restored; absent when this node kept its own data. */
  backup?: Manifest;
  /** What is lost, as a sentence; absent when this node kept its own data. */
  loss?: string;
  cause: 'planned' | 'unplanned' | 'reclaimed';
}

/** Failovers that are recorded. */
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
