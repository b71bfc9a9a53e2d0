import type { NodeStatus } from '../status.js';
import { conditionOf, remedyFor, sentence } from './conditions.js';

/** One thing that is wrong, for a person at a terminal. */
export interface Finding {
  /** A node's name, or `pair`. */
  server: string;
  what: string;
  remedy: string;
  /** A new backup would put it right. */
  isCuredByBackup?: boolean;
}

/** What a node says of itself. Its way to the other one is no problem of its own, so `problems` does not name it. */
export const nodeFindings = (status: NodeStatus): Finding[] => {
  const { reachable, ssh } = status.peer;
  const codes = [
    ...(reachable ? [] : ['peer-lost']),
    ...(ssh === null || ssh.works ? [] : ['ssh-failing']),
    ...(status.differences?.length ? ['standby-differs'] : []),
    ...(status.shrunk?.length ? ['backup-shrank'] : []),
    ...status.problems,
  ];
  return codes.map((code) => findingOf(code, status));
};

/** What is as it should be, and has to be known before a takeover. */
export const nodeNotes = (status: NodeStatus): Finding[] =>
  status.uncarried?.length ? [findingOf('left-behind', status)] : [];

export const findingOf = (code: string, status: NodeStatus): Finding => {
  const condition = conditionOf(code);
  const { isCuredByBackup = false } = condition;
  // An agent of before gives no details.
  const { because, remedy } = status.details?.[code] ?? {};
  const what = because ? `${condition.says}: ${because}` : sentence(condition, status);
  return {
    server: status.node,
    what: `${code}: it ${what}`,
    remedy: remedy ?? remedyFor(condition, 'terminal', status),
    ...(isCuredByBackup && { isCuredByBackup }),
  };
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
        : 'see which has the newer data (coldspare backups, coldspare --peer backups), then coldspare promote there',
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
      'if the primary has the production data, POST /adopt on both nodes (the manual has the whole command)',
    );
  }
  return found;
};
