import { Gauge, type Registry } from 'prom-client';
import { usableBackups } from '../../backups/catalog.js';
import { PROBLEM_CODES } from '../../domain/conditions/conditions.js';
import type { OperationRecord, StepRecord } from '../../domain/operation.js';
import { replicationStatusSchema } from '../../domain/replication.js';
import type { NodeStatus } from '../../domain/status.js';
import { modeSchema } from '../../domain/transitions.js';
import type { Node } from '../../operations/node.js';
import { isReady } from '../../serve/serving.js';
import { nodeStatus } from '../../status/node-status.js';
import { secondsOf } from './operations.js';

/** A node at one moment. */
interface Snapshot {
  node: Node;
  status: NodeStatus;
  /** The last ones that ended well; undefined before the first. */
  lastPush: OperationRecord | undefined;
  lastRestore: StepRecord | undefined;
}

/** Undefined: there is no series. */
type Value = number | boolean | undefined;

type Row = { name: string; help: string } & (
  | { read(snapshot: Snapshot): Value }
  | { label: string; readEach(snapshot: Snapshot): Record<string, Value> }
);

/** The gauges of a node's state. */
const ROWS: readonly Row[] = [
  {
    name: 'coldspare_info',
    help: 'The name of the node. Always 1.',
    label: 'node',
    readEach: ({ status }) => ({ [status.node]: true }),
  },
  {
    name: 'coldspare_role',
    help: 'Which role the node has: 1 for that one.',
    label: 'role',
    readEach: ({ status }) => flags(['primary', 'standby'], [status.role]),
  },
  {
    name: 'coldspare_mode',
    help: 'As the role, but a primary that has promised not to serve is yielding.',
    label: 'mode',
    readEach: ({ status }) => flags(modeSchema.options, [status.mode]),
  },
  {
    name: 'coldspare_epoch',
    help: 'Grows by every change of primary.',
    read: ({ status }) => status.epoch,
  },
  {
    name: 'coldspare_serving',
    help: '1 for a primary whose app answers.',
    read: ({ status }) => status.serving,
  },
  {
    name: 'coldspare_vouched_for',
    help: '1 when GET /primary answers 200: users may be sent here.',
    read: ({ node }) => isReady(node),
  },
  {
    name: 'coldspare_problem',
    help: '1 for each problem that GET /health names.',
    label: 'code',
    readEach: ({ status }) => flags(PROBLEM_CODES, status.problems),
  },
  {
    name: 'coldspare_paused',
    help: '1 while there is no failover and no failback by itself.',
    read: ({ status }) => status.pause !== null,
  },
  {
    name: 'coldspare_peer_reachable',
    help: '1 when the other node answered last: its agent, and its machine over SSH with PEER_SSH.',
    label: 'via',
    readEach: ({ status: { peer } }) => ({ agent: peer.reachable, ssh: peer.ssh?.works }),
  },
  {
    name: 'coldspare_backups_committed',
    help: 'Committed backups of the production data on this node.',
    read: ({ node }) => usableBackups(node).length,
  },
  {
    name: 'coldspare_backups_proven',
    help: 'Those among them that were restored here and found whole.',
    read: ({ node }) =>
      usableBackups(node).filter(({ id }) => node.state.current.proofs[id]?.error === null).length,
  },
  {
    name: 'coldspare_backup_newest_timestamp_seconds',
    help: 'When the newest backup is known to have held everything.',
    read: ({ status }) => secondsAt(status.latestBackup?.currentAt),
  },
  {
    name: 'coldspare_backup_newest_age_seconds',
    help: "The age of the newest backup by this node's clock: what is lost when the primary's machine is.",
    read: ({ status }) => status.latestBackup?.ageSeconds,
  },
  {
    name: 'coldspare_backup_newest_bytes',
    help: 'Size of the newest backup.',
    read: ({ status }) => status.latestBackup?.bytes,
  },
  {
    name: 'coldspare_backup_max_age_seconds',
    help: 'BACKUP_MAX_AGE: an older backup is not promoted from without force.',
    read: ({ status }) => status.policy.backupMaxAgeSeconds,
  },
  {
    name: 'coldspare_prepared',
    help: '1 on a standby that has a backup restored and waiting.',
    read: ({ status }) => status.prepared !== null,
  },
  {
    name: 'coldspare_push_last_success_timestamp_seconds',
    help: 'When a backup reached the other node last.',
    read: ({ status }) => secondsAt(status.push.lastSuccessAt),
  },
  {
    name: 'coldspare_push_failing_since_timestamp_seconds',
    help: 'Since when backups do not reach the other node; no series while they do.',
    read: ({ status }) => secondsAt(status.push.failingSince),
  },
  {
    name: 'coldspare_push_last_duration_seconds',
    help: 'How long the last backup took until the other node had it; or its push alone, when it was sent again.',
    read: ({ lastPush }) => lastPush && secondsOf(lastPush),
  },
  {
    name: 'coldspare_push_last_bytes',
    help: 'Size of the backup that reached the other node last.',
    read: ({ lastPush }) => lastPush && Number(lastPush.result?.bytes),
  },
  {
    name: 'coldspare_restore_last_duration_seconds',
    help: 'How long the last restore took.',
    read: ({ lastRestore }) => lastRestore && secondsOf(lastRestore),
  },
  {
    name: 'coldspare_restore_last_bytes',
    help: 'Bytes of the last restore.',
    read: ({ lastRestore }) => lastRestore?.progress?.done,
  },
  {
    name: 'coldspare_drill_last_timestamp_seconds',
    help: 'When a backup was last restored here on trial.',
    read: ({ status }) => secondsAt(status.lastDrill?.at),
  },
  {
    name: 'coldspare_drill_last_passed',
    help: '1 when that drill passed.',
    read: ({ status }) => status.lastDrill?.passed,
  },
  {
    name: 'coldspare_drill_last_duration_seconds',
    help: 'How long that drill took.',
    read: ({ status }) => status.lastDrill?.seconds.total,
  },
  {
    name: 'coldspare_drill_last_take_over_seconds',
    help: 'The longest that a takeover from a lost machine would take, by what that drill measured.',
    read: ({ status }) => status.lastDrill?.takeOverSeconds ?? undefined,
  },
  {
    name: 'coldspare_replication_state',
    help: '1 for the state of streaming replication on this node; no series without REPLICATION=stream.',
    label: 'state',
    readEach: ({ status: { replication } }) =>
      flags(replication ? replicationStatusSchema.shape.state.options : [], [
        replication?.state ?? '',
      ]),
  },
  {
    name: 'coldspare_replication_behind_bytes',
    help: 'What the primary is known to have written and the replica of this standby has not replayed.',
    read: ({ status }) => status.replication?.behindBytes ?? undefined,
  },
  {
    name: 'coldspare_replication_current_timestamp_seconds',
    help: "Everything up to this moment of the primary's clock is in the replica of this standby.",
    read: ({ status }) => secondsAt(status.replication?.currentAt),
  },
  {
    name: 'coldspare_replication_slot_retained_bytes',
    help: 'The log that this primary keeps for its standby.',
    read: ({ status }) => status.replication?.positions?.slot?.retainedBytes ?? undefined,
  },
  {
    name: 'coldspare_replication_slot_limit_bytes',
    help: 'The most that it may keep (max_slot_wal_keep_size).',
    read: ({ status }) => status.replication?.positions?.slot?.limitBytes ?? undefined,
  },
];

/** Registers a gauge for each row. Returns a function that updates all of them. */
export const createGauges = (node: Node, registry: Registry): (() => void) => {
  const updates = ROWS.map((row) => {
    const { name, help } = row;
    const labelNames = 'label' in row ? [row.label] : [];
    const gauge = new Gauge({ name, help, labelNames, registers: [registry] });
    return (snapshot: Snapshot) => {
      if ('read' in row) return show(gauge, {}, row.read(snapshot));
      for (const [value, shown] of Object.entries(row.readEach(snapshot)))
        show(gauge, { [row.label]: value }, shown);
    };
  });
  return () => {
    const snapshot = takeSnapshot(node);
    for (const update of updates) update(snapshot);
  };
};

const show = (gauge: Gauge, labels: Record<string, string>, value: Value): void => {
  if (value === undefined) gauge.remove(labels);
  else gauge.set(labels, Number(value));
};

const takeSnapshot = (node: Node): Snapshot => {
  const operations = node.runner.list();
  return {
    node,
    status: nodeStatus(node),
    lastPush: operations.find(
      ({ kind, state }) => (kind === 'backup' || kind === 'push') && state === 'done',
    ),
    lastRestore: lastRestore(operations),
  };
};

/** Of a takeover, a preparation or a drill. One that moved no bytes, because its work was already done, is left out. */
const lastRestore = (operations: readonly OperationRecord[]): StepRecord | undefined => {
  for (const { steps } of operations) {
    const found = steps.findLast(
      ({ name, state, progress }) => name === 'restore' && state === 'done' && progress,
    );
    if (found !== undefined) return found;
  }
  return undefined;
};

const flags = (all: readonly string[], present: readonly string[]): Record<string, boolean> =>
  Object.fromEntries(all.map((flag) => [flag, present.includes(flag)]));

const secondsAt = (moment: string | null | undefined): number | undefined =>
  moment == null ? undefined : Date.parse(moment) / 1_000;
