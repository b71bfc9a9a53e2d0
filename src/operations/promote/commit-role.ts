import type { Unserved } from '../../domain/common-cause.js';
import type { Manifest } from '../../domain/manifest.js';
import type { Plan, Steps } from '../../engine/operation.js';
import { isoNow } from '../../ports/clock.js';
import { usageOf } from '../../serve/unused.js';
import type { Node } from '../node.js';

/** The common part of every promote. Once the epoch is on disk, it is never rolled back (H07). */
export const promotion = (
  node: Pick<Node, 'state'>,
): Pick<Plan, 'kind' | 'isCommitted' | 'isPreemptible'> => ({
  kind: 'promote',
  isCommitted: ({ id }) => node.state.current.promotion?.operation === id,
  // Superseded while it starts its app: the stand-down is more urgent. Nobody has used it yet: it gives way (H32).
  isPreemptible: (by) =>
    node.state.current.standDown !== null || by?.command.unusedBeside !== undefined,
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
  /** The backup that was restored; absent when this node kept its own data, null when it has a replica. */
  backup?: Manifest | null;
  /** What is lost, as a sentence; absent when this node kept its own data. */
  loss?: string;
  cause: 'planned' | 'unplanned' | 'reclaimed';
  /** Of a role that is reclaimed: whether it was to go back when it was lost. Default: whether it is to. */
  failbackDue?: boolean;
  /** What the app of a primary that was lost answered; null when its agent did not say. */
  unserved?: Unserved | null;
}

/** Failovers that are recorded. */
const FAILOVERS_KEPT = 10;

/** Becomes the primary. */
export const commitRole = (
  node: Pick<Node, 'settings' | 'state' | 'leadership' | 'stack' | 'clock' | 'notifier'>,
  steps: Steps<'commit-role'>,
  claim: Claim,
): Promise<void> =>
  steps.step('commit-role', async ({ operation, say, commit }) => {
    const { lineage, failovers, parity } = node.state.current;
    const { epoch, backup, loss, cause, unserved = null } = claim;
    const { failbackDue = node.state.current.failbackDue } = claim;
    const at = isoNow(node);
    const isUnplanned = cause === 'unplanned';
    const usage = isUnplanned ? await usageOf(node) : undefined;
    await node.leadership.acquire(epoch, {
      lineage: backup?.lineage ?? lineage,
      promotion: { operation, epoch, backup: backup?.id ?? null, at },
      unusedAt: usage === undefined ? [] : [usage],
      failbackDue: cause === 'reclaimed' ? failbackDue : isUnplanned && parity === 'even',
      failovers: isUnplanned ? [...failovers, at].slice(-FAILOVERS_KEPT) : failovers,
      ...{ standDown: null, prepared: null, unusable: null, unserved },
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
