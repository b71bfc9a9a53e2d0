import { isError } from '../domain/errors.js';
import { type Doubt, doubtId, type FoundRole } from '../domain/lost-role.js';
import { isOwnEpoch, nextEpoch, type RoleEvent } from '../domain/transitions.js';
import { type Clock, isoNow } from '../ports/clock.js';
import type { Log } from '../ports/log.js';
import type { Ballast } from '../state/ballast.js';
import type { NodeState, StateChanges } from '../state/node-state.js';
import type { Leadership, StandDown, Yielding } from './leadership.js';

interface Ports {
  state: NodeState;
  ballast: Pick<Ballast, 'withRoom'>;
  clock: Pick<Clock, 'now'>;
  log: Log;
}

/**
 * Leadership of two nodes without a third. Each node goes by its own role on disk and the highest epoch it has heard
 * of. The first primary claims odd epochs and the other node even ones, so that they never claim the same.
 */
export class PairLeadership implements Leadership {
  readonly #state: NodeState;
  readonly #ballast: Ports['ballast'];
  readonly #clock: Ports['clock'];
  readonly #log: Log;
  #heardEpoch = 0;

  constructor({ state, ballast, clock, log }: Ports) {
    this.#clock = clock;
    this.#state = state;
    this.#ballast = ballast;
    this.#log = log;
  }

  get heardEpoch(): number {
    return this.#heardEpoch;
  }

  mayServe(): boolean {
    return this.#state.current.mode === 'primary' && !this.#isOvertaken();
  }

  async renew(): Promise<boolean> {
    return !this.#isOvertaken();
  }

  /** The peer has become primary, while the disk, which takes no writes, still says that this node is. */
  #isOvertaken(): boolean {
    const { mode, epoch } = this.#state.current;
    return mode === 'primary' && this.#heardEpoch > epoch;
  }

  nextEpoch(known = 0): number {
    const { epoch, parity } = this.#state.current;
    return nextEpoch(Math.max(epoch, known), parity);
  }

  nextEpochOfPeer(known: number): number {
    const { epoch, parity } = this.#state.current;
    return nextEpoch(Math.max(epoch, known), parity === 'odd' ? 'even' : 'odd');
  }

  acquire(epoch: number, changes: StateChanges): Promise<void> {
    return this.#apply('promoted', epoch, changes);
  }

  async noteEpoch(epoch: number): Promise<boolean> {
    const { mode, epoch: mine } = this.#state.current;
    this.#heardEpoch = Math.max(this.#heardEpoch, epoch);
    // A yielding node waits for the outcome of the operation it yields to, whatever epoch it hears of.
    if (epoch <= mine || mode === 'yielding') return false;
    try {
      if (this.#isOwn(epoch)) {
        await this.doubt('older');
        return false;
      }
      if (mode === 'standby') {
        await this.#apply('heard', epoch);
        return false;
      }
      await this.concede(epoch, { epoch, finalBackup: null, writes: null });
    } catch (error) {
      // Another message with the same epoch was handled first.
      const isKnown =
        isError(error, 'transition-not-allowed') && this.#state.current.epoch >= epoch;
      if (isKnown || this.#isYielding()) return false;
      // The guard stops the app even so (renew).
      throw error;
    }
    this.#log.warn({ epoch, mine }, 'superseded: the other node has a higher epoch');
    return true;
  }

  #isYielding(): boolean {
    return this.#state.current.mode === 'yielding';
  }

  handOff(yielding: Yielding): Promise<void> {
    return this.#apply('yield', this.#state.current.epoch, { yielding });
  }

  async takeBack(): Promise<void> {
    const { epoch, yielding } = this.#state.current;
    if (this.#heardEpoch <= epoch) return this.#apply('resume', epoch);
    if (this.#isOwn(this.#heardEpoch)) return this.doubt('older');
    // The peer has taken over in another operation, because it could not reach us.
    const { finalBackup = null, writes = null } = yielding ?? {};
    await this.concede(this.#heardEpoch, { epoch: this.#heardEpoch, finalBackup, writes });
  }

  concede(epoch: number, standDown: StandDown): Promise<void> {
    return this.#apply('superseded', epoch, { standDown, failbackDue: false });
  }

  async doubt(doubt: Doubt): Promise<void> {
    const { epoch } = this.#state.current;
    const yielding = {
      ...{ operation: doubtId(doubt, isoNow({ clock: this.#clock })), cause: 'fence' as const },
      ...{ epoch: Math.max(epoch, this.#heardEpoch) + 1, finalBackup: null, writes: null },
    };
    await this.#apply('doubted', epoch, { yielding });
    this.#log.error({ epoch, heard: this.#heardEpoch }, 'the state of this node is too old');
  }

  settle({ role, epoch, isDiverged }: FoundRole): Promise<void> {
    const { epoch: mine } = this.#state.current;
    const isHigher = epoch > mine;
    if (role === 'primary') return this.#apply(isHigher ? 'found-primary' : 'resume', epoch);
    const standDown = isDiverged ? { epoch, finalBackup: null, writes: null } : null;
    return this.#apply(isHigher ? 'superseded' : 'found-standby', epoch, { standDown });
  }

  /**
   * An epoch that nobody but this node can have claimed. To hear of a higher one means that this node was the primary
   * and does not remember it.
   */
  #isOwn(epoch: number): boolean {
    return isOwnEpoch(epoch, this.#state.current.parity);
  }

  /** A change of role must not fail for want of space: the ballast is there for it. */
  #apply(event: RoleEvent, epoch: number, changes: StateChanges = {}): Promise<void> {
    return this.#ballast.withRoom(() => this.#state.apply(event, epoch, changes));
  }
}
