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

/** The last observations of the other node. Used for cheap answers; a decision probes again. */
export interface PeerView {
  /** The last status of its agent, or why it did not answer. */
  last?: Seen<NodeStatus | { error: string }> | undefined;
  /** The last status that its agent answered with, however long ago. */
  answer?: Seen<NodeStatus> | undefined;
  /** The last login over SSH; undefined without PEER_SSH. */
  ssh?: Seen<{ error: ColdspareError | null }> | undefined;
  /** Why this node serves, or waits, without an answer of its peer (ALONE). Cleared when the peer answers. */
  servingWithoutPeer?: string | undefined;
  /** The outcome of fencing the old primary over SSH. Cleared when its agent answers. */
  fenced?: FencedWithoutAgent | undefined;
}

/** The peer's status as of the last probe; undefined when it did not answer or was not asked yet. */
export const peerStatus = ({ last }: PeerView): NodeStatus | undefined =>
  last === undefined || 'error' in last.value ? undefined : last.value;
