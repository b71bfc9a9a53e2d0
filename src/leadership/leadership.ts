import type { StateChanges, StateData } from '../state/node-state.js';

/** A promise not to serve while the peer decides. */
export type Promised = NonNullable<StateData['yielding']>;

/** What is left to do for a node that has lost its role. */
export type StandDown = StateData['standDown'];

/**
 * Who may serve. Today the two nodes of the pair settle it between them. Every change of role goes through here, and is
 * on disk when the method resolves. @throws ColdspareError `transition-not-allowed`, `disk-full`
 */
export interface Leadership {
  /** The highest epoch that was heard of; 0 before any was. */
  readonly heardEpoch: number;
  /** Whether this node may serve, as far as it knows without asking anybody. */
  mayServe(): boolean;
  /** Whether somebody else has become primary, and a disk that takes no writes still says that this node is. */
  isOvertaken(): boolean;
  /** The lowest epoch above `known` and above its own that this node may claim. */
  nextEpoch(known?: number): number;
  /** The same for the peer. */
  nextEpochOfPeer(known: number): number;
  /** Becomes primary at `epoch`. */
  acquire(epoch: number, changes: StateChanges): Promise<void>;
  /** Takes in an epoch that somebody is at. Resolves to whether this node has lost the primary role by it. */
  noteEpoch(epoch: number): Promise<boolean>;
  /** Promises not to serve until it is known whether the peer has taken the epoch. */
  handOff(promised: Promised): Promise<void>;
  /** The peer did not take over: the role is ours as before, unless a higher epoch was heard of meanwhile. */
  takeBack(): Promise<void>;
  /** The peer has taken over at `epoch`: this node is a standby from now on. */
  concede(epoch: number, standDown: StandDown): Promise<void>;
}
