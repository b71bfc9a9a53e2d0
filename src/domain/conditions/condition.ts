import type { OperationKind, OperationRecord } from '../operation.js';
import type { NodeStatus } from '../status.js';
import type { Mode } from '../transitions.js';

/** What a node knows at one moment besides its status. `at` and `now` are milliseconds since 1970, lengths are milliseconds. */
interface OwnFacts {
  now: number;
  /** Since the newest backup was known to hold everything; since the node took its mode when there is none. */
  backupAge: number;
  /** By how much the newest backup is dated in the future; 0 when it is not. */
  backupAheadBy: number;
  /** The last backup that could not be restored ahead of time; null on a node that does not try. */
  unusable: { backup: string; error: string; code?: string | undefined } | null;
  /** `schema.table` → rows that are in no dump, as the newest backup counted them. */
  undumped?: Readonly<Record<string, number>> | undefined;
  /** When the newest backup was last found to hold everything. */
  confirmedAt: string | null;
  isStandingDown: boolean;
  /** The last pause that was asked for, also when its time is up. */
  lastPause: { until: string; reason: string } | null;
  /** Undefined before the peer was asked. */
  peerServes: boolean | undefined;
  peerProblems: readonly string[];
  /** Why the other node could not restore its newest backup. */
  peerProof?: string | null | undefined;
  /** PEER_SSH is set. */
  hasPeerSsh: boolean;
  sshRemedy: string | undefined;
  /** APP_HEALTH_URL has said yes on this server. */
  isHealthProven: boolean;
  /** How PRIMARY_CHECK_URL and WITNESS_URL have contradicted what is known, for as long as `failedChecks`. */
  checkUnfit: string | undefined;
  witnessUnfit: string | undefined;
  /** Why this standby counts the primary as lost. */
  lost: string | undefined;
  fenced: { event: string; message: string; remedy: string } | undefined;
  foreignApp: { value: string; at: number } | undefined;
  /** In bytes; undefined before the first look. */
  diskSpace: { free: number; capacity: number } | undefined;
  /** Null when there was none at the last look, undefined before the first one. */
  noRoom: Trouble | null | undefined;
  /** For how long the last dump that was sent showed no progress. */
  dumpSilence: number | undefined;
  certificateError: Trouble | null | undefined;
  hookError: Trouble | undefined;
  /** Undefined without TLS_CERT. */
  certificateExpiresAt: number | undefined;
  /** The channels of NOTIFY_URLS that take no messages; undefined while not every channel has been tried. */
  channels: ChannelFailure[] | undefined;
  /** What had served and was started again, oldest first. */
  restarts: readonly { at: number; reason: string }[];
  /** What each kind of operation came to when it was tried last. */
  latest: Partial<Record<OperationKind, OperationRecord>>;
  /** How long the checks have to fail before the monitor acts on it. */
  failedChecks: number;
  appRestartAfter: number;
}

interface ChannelFailure {
  channel: string;
  why: string;
  since: number;
  isFinal: boolean;
}

interface Trouble {
  message: string;
  remedy: string;
}

/** What only the watcher that announces keeps. */
interface Past {
  /** Milliseconds since this agent was started. */
  upFor: number;
}

/** A status before anybody has judged it. */
export type Seen = Omit<NodeStatus, 'problems' | 'details'>;

/** A node at one moment, as it knows itself. Plain values, collected by status/facts.ts. */
export type Facts = Seen & OwnFacts & Partial<Past>;

/** The same as far as the reader knows it: from outside, only the status. */
export type Known = Seen & Partial<OwnFacts & Past>;

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
  remedy: Remedy | { page: string; terminal: Remedy; http: Remedy };
  /** GET /status and GET /health name it, and the node counts as failing. */
  isProblem?: true;
  /** A handover to a standby that has it would fail, after an outage for its dump and its restore. */
  preventsHandover?: true;
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
