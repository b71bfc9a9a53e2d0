import type { Doubt, FoundRole } from '../domain/lost-role.js';
import type { StateChanges, StateData } from '../state/node-state.js';

/** What a node yields to: it does not serve while the peer decides. */
export type Yielding = NonNullable<StateData['yielding']>;

/** What a superseded node still has to do; null when nothing. */
export type StandDown = StateData['standDown'];

/**
 * Who may serve. Today the two nodes of the pair decide it between them. Every change of role goes through here and is
 * on disk when the method resolves.
 * @throws ColdspareError `transition-not-allowed`, `disk-full`
 */
export interface Leadership {
  /** The highest epoch heard of since the agent's start; 0 before any. */
  readonly heardEpoch: number;
  /** Whether this node may serve, as far as it knows without asking the peer. */
  mayServe(): boolean;
  /**
   * Keeps a primary's right to serve; called at every round of the guard. Resolves to false when a primary has lost that
   * right and its role on disk does not say so yet: its app has to stop.
   */
  renew(): Promise<boolean>;
  /** The lowest epoch above `known` and above its own that this node may claim. */
  nextEpoch(known?: number): number;
  /** The same for the peer. */
  nextEpochOfPeer(known: number): number;
  /** Becomes primary at `epoch`. */
  acquire(epoch: number, changes: StateChanges): Promise<void>;
  /** Records an epoch that was heard of. Resolves to whether this node lost the primary role because of it. */
  noteEpoch(epoch: number): Promise<boolean>;
  /** Yields: this node does not serve until it knows whether the peer has taken the epoch. */
  handOff(yielding: Yielding): Promise<void>;
  /** The peer did not take over: this node is primary again, unless it has heard of a higher epoch meanwhile. */
  takeBack(): Promise<void>;
  /** The state was lost, or is older than what others know: serves nobody until `settle`. */
  doubt(doubt: Doubt): Promise<void>;
  /** The end of a doubt: takes the role that was found. */
  settle(found: FoundRole): Promise<void>;
  /** The peer has taken over at `epoch`: this node is a standby from now on. */
  concede(epoch: number, standDown: StandDown): Promise<void>;
}
