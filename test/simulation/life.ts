import type { Random } from './random.js';
import type { Timeline, Timer } from './timeline.js';

/** A promise that nothing ever settles: what a dead process was waiting for. */
const never = <T>(): Promise<T> => new Promise(() => {});

interface Work<T> {
  /** Milliseconds until it is done. */
  ms: number;
  effect: () => T;
  signal?: AbortSignal | undefined;
  /**
   * What may become of it when we are cut: it may be done all the same at that moment (`now`), or even a little
   * later, because somebody else does it for us, a database or a service manager (`later`).
   */
  outlives?: 'now' | 'later';
}

interface Pending {
  timer: Timer;
  work: Work<unknown>;
  /** Node keeps a signal for ever that somebody listens to. */
  forget: () => void;
}

/** How long a command may still take effect after its sender has died. Milliseconds. */
const LATEST_ECHO = 2_000;

/**
 * One run of an agent's process. Whatever it does to the world goes through here: nothing happens, and no promise
 * settles, once it has ended.
 */
export class Life {
  hasEnded = false;
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #pending = new Set<Pending>();
  readonly #onEnd = new Set<() => void>();

  constructor(timeline: Timeline, random: Random) {
    this.#timeline = timeline;
    this.#random = random;
  }

  /** Does the work when its time has come. @throws what `effect` throws, or the signal's reason when it comes first */
  perform<T>(work: Work<T>): Promise<T> {
    if (this.hasEnded) return never();
    const { ms, effect, signal } = work;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const abort = () => {
        this.#drop(pending);
        forget();
        reject(signal?.reason);
      };
      const forget = () => {
        this.#pending.delete(pending);
        signal?.removeEventListener('abort', abort);
      };
      const timer = this.#timeline.after(ms, () => {
        forget();
        try {
          resolve(effect());
        } catch (error) {
          reject(error);
        }
      });
      const pending: Pending = { timer, work, forget };
      this.#pending.add(pending);
      signal?.addEventListener('abort', abort);
    });
  }

  /** Resolves after `ms` milliseconds. */
  pause(ms: number, signal?: AbortSignal): Promise<void> {
    return this.perform({ ms, effect: () => {}, signal });
  }

  /** Calls back when the process ends, unless the returned function was called before. */
  whenEnded(callback: () => void): () => void {
    this.#onEnd.add(callback);
    return () => this.#onEnd.delete(callback);
  }

  /** Cuts the process here and now. `losesPower`: nothing it had asked others for goes on either. */
  end({ losesPower }: { losesPower: boolean }): void {
    this.hasEnded = true;
    for (const pending of this.#pending) {
      if (losesPower) pending.timer.isCancelled = true;
      else this.#drop(pending);
      pending.forget();
    }
    for (const callback of this.#onEnd) callback();
    this.#onEnd.clear();
  }

  /** Work whose sender no longer waits for it: it is not done, or done at once, or done a little later. */
  #drop({ timer, work }: Pending): void {
    timer.isCancelled = true;
    if (work.outlives === undefined) return;
    const echo = () => {
      try {
        work.effect();
      } catch {
        // Nobody is there to be told.
      }
    };
    const fate = this.#random.integer(0, work.outlives === 'later' ? 2 : 1);
    if (fate === 1) echo();
    if (fate === 2) this.#timeline.after(this.#random.between(0, LATEST_ECHO), echo);
  }
}
