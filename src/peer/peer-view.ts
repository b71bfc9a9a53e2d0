import type { ColdspareError } from '../domain/errors.js';
import type { NodeStatus } from '../domain/status.js';

/** An observation, and `clock.now()` when it was made. */
export interface Seen<T> {
  value: T;
  at: number;
}

/** Whether an old primary whose agent did not answer could be fenced. */
interface FencedWithoutAgent {
  event: 'fenced-by-ssh' | 'not-fenced';
  message: string;
  remedy: string;
}

/** A check that contradicts what is known to be true: since `clock.elapsed()`, and what it says. */
export interface Contradiction {
  since: number;
  detail: string;
}

/** The last observations of the other node. Used for cheap answers; a decision probes again. */
export interface PeerView {
  /** `clock.elapsed()` when this agent was started, and had not asked yet. */
  begunAt?: number;
  /** The last status of its agent, or why it did not answer. */
  last?: Seen<NodeStatus | { error: string }> | undefined;
  /** The last status that its agent answered with, however long ago. */
  answer?: Seen<NodeStatus> | undefined;
  /** Which run of its agent was found at PEER_URL; undefined before it was asked. */
  instance?: string | undefined;
  /** The last sender that was not the peer. */
  stranger?: { instance: string | undefined } | undefined;
  /** The last login over SSH; undefined without PEER_SSH. */
  ssh?: Seen<{ error: ColdspareError | null }> | undefined;
  /** How PRIMARY_CHECK_URL contradicts the peer's agent; undefined while they agree. */
  checkUnfit?: Contradiction | undefined;
  /** How WITNESS_URL fails to see the service while it is there; undefined while it sees it. */
  witnessUnfit?: Contradiction | undefined;
  /** Why the primary counts as lost, as long as this standby has not taken over. */
  lost?: string | undefined;
  /** Why this node serves, or waits, without an answer of its peer (ALONE). Cleared when the peer answers. */
  servingWithoutPeer?: string | undefined;
  /** The outcome of fencing the old primary over SSH. Cleared when its agent answers. */
  fenced?: FencedWithoutAgent | undefined;
}

/** The peer's status as of the last probe; undefined when it did not answer or was not asked yet. */
export const peerStatus = ({ last }: PeerView): NodeStatus | undefined =>
  last === undefined || 'error' in last.value ? undefined : last.value;
