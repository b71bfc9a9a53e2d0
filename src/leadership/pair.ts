import { isError } from '../domain/errors.js';
import { nextEpoch } from '../domain/transitions.js';
import type { Log } from '../ports/log.js';
import type { Ballast } from '../state/ballast.js';
import type { NodeState, StateChanges } from '../state/node-state.js';
import type { Leadership, StandDown, Yielding } from './leadership.js';

interface Ports {
  state: NodeState;
  ballast: Pick<Ballast, 'drop'>;
  log: Log;
}

/**
 * Leadership of two nodes without a third. Each node goes by its own role on disk and the highest epoch it has heard
 * of. The first primary claims odd epochs and the other node even ones, so that they never claim the same.
 */
export class PairLeadership implements Leadership {
  readonly #state: NodeState;
  readonly #ballast: Ports['ballast'];
  readonly #log: Log;
  #heardEpoch = 0;

  constructor({ state, ballast, log }: Ports) {
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
    return this.#state.apply('promoted', epoch, changes);
  }

  async noteEpoch(epoch: number): Promise<boolean> {
    const { mode, epoch: mine } = this.#state.current;
    this.#heardEpoch = Math.max(this.#heardEpoch, epoch);
    // A yielding node waits for the outcome of the operation it yields to, whatever epoch it hears of.
    if (epoch <= mine || mode === 'yielding') return false;
    try {
      if (mode === 'standby') {
        await this.#state.apply('heard', epoch);
        return false;
      }
      await this.concede(epoch, { epoch, finalBackup: null, writes: null });
    } catch (error) {
      // Another message with the same epoch was handled first.
      const isKnown =
        isError(error, 'transition-not-allowed') && this.#state.current.epoch >= epoch;
      if (isKnown) return false;
      if (isError(error, 'disk-full') && (await this.#ballast.drop())) return this.noteEpoch(epoch);
      // The guard stops the app even so (renew).
      throw error;
    }
    this.#log.warn({ epoch, mine }, 'superseded: the other node has a higher epoch');
    return true;
  }

  handOff(yielding: Yielding): Promise<void> {
    return this.#state.apply('yield', this.#state.current.epoch, { yielding });
  }

  async takeBack(): Promise<void> {
    const { epoch, yielding } = this.#state.current;
    if (this.#heardEpoch <= epoch) return this.#state.apply('resume', epoch);
    // The peer has taken over in another operation, because it could not reach us.
    const { finalBackup = null, writes = null } = yielding ?? {};
    await this.concede(this.#heardEpoch, { epoch: this.#heardEpoch, finalBackup, writes });
  }

  concede(epoch: number, standDown: StandDown): Promise<void> {
    return this.#state.apply('superseded', epoch, { standDown, failbackDue: false });
  }
}
