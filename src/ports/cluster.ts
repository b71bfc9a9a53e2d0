import type { Identity, Positions } from '../domain/replication.js';

/** Where the write-ahead log of a stopped cluster ends. */
export interface LogEnd {
  system: string;
  timeline: number;
  /** Bytes from the log's beginning, as text. */
  at: string;
  /** It was stopped in order: nothing has to be recovered at its next start. */
  isClean: boolean;
}

/** Transactions in a stopped cluster's log that were committed past some place. Times are as PostgreSQL writes them. */
export interface Commits {
  count: number;
  first: string | undefined;
  last: string | undefined;
}

/**
 * The whole PostgreSQL cluster of a node, as far as streaming replication needs it. `Database` of `stack.ts` is the one
 * database in it, and starts and stops its service. Methods throw ColdspareError `database-unreachable` and
 * `database-failed` as those of `Database` do, and `command-failed` when one of PostgreSQL's programs fails.
 */
export interface Cluster {
  /** What a replica must have in common with its primary. The cluster must run. */
  identity(): Promise<Identity>;
  /** Which of these extensions (name → version) cannot be used here. The cluster must run. */
  lacks(extensions: Readonly<Record<string, string>>): Promise<string[]>;
  /** How far it has written, received and replayed. The cluster must run. */
  positions(): Promise<Positions>;
  /** Writes what is in memory, and whatever else makes the next stop, and the look at where the log ends, short. */
  beforeStop(signal: AbortSignal): Promise<void>;
  /**
   * Makes a primary ready to send: the role, the slot and its limit. Restarts nothing and is safe to repeat.
   * @throws ColdspareError `database-failed` when it cannot send as it is configured
   */
  prepareToSend(): Promise<void>;
  /** Drops the slot of a replica that was a primary: it would keep the log for nobody. Safe to repeat. */
  stopSending(): Promise<void>;
  /** Lets a replica take writes. Does nothing to a cluster that is none. */
  promote(signal: AbortSignal): Promise<void>;
  /** Whether its next start is that of a replica. False as long as nobody knows where its files are. */
  isReplica(): Promise<boolean>;
  /** Of a stopped cluster. Starts nothing. */
  logEnd(): Promise<LogEnd>;
  /**
   * Of a stopped cluster: what was committed past `at` on its timeline.
   * @throws ColdspareError `database-failed` when not all of the log from there on can be read
   */
  commitsPast(at: string, end: LogEnd): Promise<Commits>;
  /**
   * Raises the settings of a replica of which its log demands more than this server has: it would neither replay on nor
   * take writes. In force from its next start on. Resolves to their names.
   */
  fit(): Promise<string[]>;
  /** Configures a stopped cluster as a replica of the primary. */
  follow(): Promise<void>;
  /** Writes a dump of the database `name` to `file`, in the custom format. The cluster must run. */
  keep(name: string, file: string, signal: AbortSignal): Promise<void>;
  /** Makes this cluster a copy of the primary's. */
  readonly copy: ClusterCopy;
}

/**
 * A copy of the primary's cluster: taken beside this node's own, verified, and put in its place. The one before stays
 * until `finish`.
 */
export interface ClusterCopy {
  /** Free bytes where it goes. */
  room(): Promise<number>;
  /** Asks the primary for which cluster it is, as a replica would. Resolves to its system identifier. */
  reach(signal: AbortSignal): Promise<string>;
  /** Copies. `onBytes` is told how many came so far. */
  take(signal: AbortSignal, onBytes: (bytes: number) => void): Promise<void>;
  /** Compares every file of the copy with what the primary sent, and makes it a replica. */
  verify(signal: AbortSignal): Promise<void>;
  /** Puts the verified copy in the place of the stopped cluster. */
  install(): Promise<void>;
  /** Puts the cluster back that was there before, if it is not the present one, and removes the copy. Needs a stopped cluster when there was a swap. Safe to repeat. */
  abandon(): Promise<void>;
  /** Whether a copy took this cluster's place, and `finish` was not called. */
  isUnproven(): Promise<boolean>;
  /** Removes the cluster that was there before. Safe to repeat. */
  finish(): Promise<void>;
}
