import type { OperationKind, OperationRecord } from '../operation.js';
import type { NodeStatus } from '../status.js';
import type { Mode } from '../transitions.js';

/** What a node knows at one moment besides its status. `at` and `now` are milliseconds since 1970, lengths are milliseconds. */
interface OwnFacts {
  now: number;
  /** Since the newest backup was known to hold everything; since the node took its mode when there is none. */
  backupAge: number;
  /** The last backup that could not be restored ahead of time; null on a node that does not try. */
  unusable: { backup: string; error: string } | null;
  /** When the newest backup was last found to hold everything. */
  confirmedAt: string | null;
  isStandingDown: boolean;
  /** The last pause that was asked for, also when its time is up. */
  lastPause: { until: string; reason: string } | null;
  /** Undefined before the peer was asked. */
  peerServes: boolean | undefined;
  peerProblems: readonly string[];
  /** PEER_SSH is set. */
  hasPeerSsh: boolean;
  sshRemedy: string | undefined;
  fenced: { event: string; message: string; remedy: string } | undefined;
  foreignApp: { value: string; at: number } | undefined;
  /** Null when there was none at the last look, undefined before the first one. */
  noRoom: Trouble | null | undefined;
  certificateError: Trouble | null | undefined;
  /** Undefined without TLS_CERT. */
  certificateExpiresAt: number | undefined;
  /** How long the checks have to fail before the monitor acts on it. */
  failedChecks: number;
  appRestartAfter: number;
}

interface Trouble {
  message: string;
  remedy: string;
}

/** What only the watcher that announces keeps. */
interface Past {
  /** What each kind of operation came to when it was tried last. */
  latest: Partial<Record<OperationKind, OperationRecord>>;
  /** Milliseconds since this agent was started. */
  upFor: number;
}

/** A node at one moment, as it knows itself. Plain values, collected by status/facts.ts. */
export type Facts = Omit<NodeStatus, 'problems'> & OwnFacts & Partial<Past>;

/** The same as far as the reader knows it: from outside, only the status. */
export type Known = Omit<NodeStatus, 'problems'> & Partial<OwnFacts & Past>;

export type Severity = 'info' | 'warning' | 'critical';

type Remedy = string | ((known: Known) => string);

/** One thing that may be wrong with a node, or that its owner should hear of. Its code is its key in the table. */
export interface Condition {
  severity: Severity | ((facts: Facts) => Severity);
  /** The mode in which a node can have it. In another mode it is over: it is the other node's business now. */
  mode?: Mode;
  /** Undefined as long as it cannot be said. */
  when(facts: Facts): boolean | undefined;
  /** The sentence, after the name of the node. */
  says: string;
  /** The values behind it. Not for readers without a key: it may hold addresses, errors and names. */
  because?(known: Known): string | null | undefined;
  /** What to do; one text where all surfaces say the same. `page` names the button, `http` the call. */
  remedy: Remedy | { page: string; terminal: string; http: Remedy };
  /** GET /status and GET /health name it, and the node counts as failing. */
  isProblem?: true;
  /** A new backup puts it right. */
  isCuredByBackup?: true;
  /** Announced once when it begins, and once when it is over. */
  alarm?: Alarm;
}

interface Alarm {
  /** The name it is announced under, when that is not its code. Other programs branch on it, so it is never renamed. */
  event?: string;
  /** Asked in place of `when`, where a person is told later, or not in every case. */
  when?(facts: Facts): boolean | undefined;
  /** Milliseconds that it has to last before it is announced; 0 unless given. */
  holds?(facts: Facts): number;
  /** Announced once for each of these while it lasts. */
  variant?(facts: Facts): string;
  /** What is true again at its end; the end is not announced when there is none. */
  over?: string;
}
