import { adviceOn } from './advice.js';
import { formatDuration } from './format.js';
import type { NodeStatus } from './status.js';

/** One thing that is wrong. */
export interface Finding {
  /** A node's name, or `pair`. */
  server: string;
  what: string;
  remedy: string;
  /** A new backup would put it right. */
  isCuredByBackup?: boolean;
}

/** What a node says of itself. */
export const nodeFindings = (status: NodeStatus): Finding[] => {
  const { node: server, peer, problems } = status;
  return [
    ...(peer.reachable
      ? []
      : [
          {
            server,
            what: `it does not reach the other agent at ${peer.url}: ${peer.error ?? 'not asked yet'}`,
            remedy: `open that port between the servers: curl ${peer.url}/health on ${server} has to answer`,
          },
        ]),
    ...(peer.ssh === null || peer.ssh.works ? [] : [sshFinding(server, peer.ssh.error)]),
    ...problems.map((problem) => ({ server, ...explain(problem, status) })),
  ];
};

export const sshFinding = (server: string, error: string | null): Finding => ({
  server,
  what: `it could not fence the other machine over SSH: ${error}`,
  remedy: 'check PEER_SSH, PEER_SSH_KEY and PEER_SSH_HOST_KEY of this server',
});

const explain = (
  problem: string,
  { latestBackup, push, policy }: NodeStatus,
): Omit<Finding, 'server'> => {
  switch (problem) {
    case 'backup-stale':
      return {
        what:
          latestBackup === null
            ? 'it has no backup: the schedule never came to one'
            : `its newest backup ${latestBackup.id} is ${formatDuration(latestBackup.ageSeconds * 1_000)} old, the limit is ${formatDuration(policy.backupMaxAgeSeconds * 1_000)}`,
        remedy: 'POST /backups on the primary, read what it answers, and check BACKUP_CRON',
        isCuredByBackup: true,
      };
    case 'push-failing':
      return {
        what: `backups do not reach the other node: ${push.error}`,
        remedy: 'it is tried again by itself; POST /backups on the primary tries now',
        isCuredByBackup: true,
      };
    default: {
      const { means, todo } = adviceOn(problem);
      return { what: `${problem}: ${means}`, remedy: todo };
    }
  }
};

/** What only a look at both shows. */
export const pairFindings = (one: NodeStatus, other: NodeStatus): Finding[] => {
  const found: Finding[] = [];
  const add = (what: string, remedy: string) => found.push({ server: 'pair', what, remedy });
  const both = (show: (status: NodeStatus) => unknown) =>
    `${one.node} ${show(one)}, ${other.node} ${show(other)}`;
  if (one.role === other.role) {
    add(
      `both are ${one.role}: ${both(({ epoch }) => `epoch ${epoch}`)}`,
      one.role === 'primary'
        ? 'the one with the lower epoch stands down when the two reach each other: mend the way between them'
        : 'look which has the newer data (GET /backups), then POST /promote there',
    );
  } else {
    const [primary, standby] = one.role === 'primary' ? [one, other] : [other, one];
    if (primary.epoch < standby.epoch) {
      add(
        `the primary's epoch is the lower one: ${both(({ epoch }) => epoch)}`,
        'it stands down when it hears of the other: mend the way between them',
      );
    }
  }
  if (one.lineage !== null && other.lineage !== null && one.lineage !== other.lineage) {
    add(
      `the nodes hold databases of different lineages: ${both(({ lineage }) => lineage)}`,
      'if the primary has the production data, POST /adopt on both nodes',
    );
  }
  return found;
};
