import type { ColdspareError } from '../domain/errors.js';
import type { NodeStatus } from '../domain/status.js';

/** Something that was seen, and `clock.now()` when it was. */
export interface Seen<T> {
  value: T;
  at: number;
}

/** What became of an old primary whose agent did not answer. */
interface FencedWithoutAgent {
  event: 'fenced-by-ssh' | 'not-fenced';
  message: string;
  remedy: string;
}

/** What this node saw of the other one last. Cheap answers come from here; a decision looks again. */
export interface PeerView {
  /** What its agent said, or why it could not be asked. */
  last: Seen<NodeStatus | { error: string }> | undefined;
  /** What its agent said when it last answered, however long ago. */
  answer: Seen<NodeStatus> | undefined;
  /** Its machine over SSH; undefined without PEER_SSH. */
  ssh: Seen<{ error: ColdspareError | null }> | undefined;
  /** Why this node serves although its peer could not be asked (ALONE=serve); until the peer answers. */
  servingWithoutPeer: string | undefined;
  /** How the old primary was kept from serving over SSH, or that it could not be; until its agent answers. */
  fenced: FencedWithoutAgent | undefined;
}

export const newPeerView = (): PeerView => ({
  last: undefined,
  answer: undefined,
  ssh: undefined,
  servingWithoutPeer: undefined,
  fenced: undefined,
});

/** What the peer said when it was asked last; undefined when it did not answer, or was not asked yet. */
export const peerStatus = ({ last }: PeerView): NodeStatus | undefined =>
  last === undefined || 'error' in last.value ? undefined : last.value;
