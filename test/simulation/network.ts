import { ColdspareError } from '../../src/domain/errors.js';
import type { Life } from './life.js';
import type { Random } from './random.js';
import type { Timeline } from './timeline.js';

/** Where messages come from and go to; `outside` is the load balancer, the witness, the clients. */
export type Site = 'vcl2' | 'vcl3' | 'outside';

/** How long nobody listens to a connection attempt that nobody answers. Milliseconds. */
const CONNECT_TIMEOUT = 5_000;

/** Who takes a message at its destination. Undefined when nothing listens there. */
export interface Callee {
  life: Life;
}

interface Call<C extends Callee, T> {
  caller: Life;
  from: Site;
  to: Site;
  /** Milliseconds until the caller gives up once its message has arrived. */
  timeout: number;
  callee: () => C | undefined;
  serve: (callee: C) => Promise<T>;
  /** The network may deliver it twice. */
  mayRepeat?: boolean;
}

/** The links between the sites. Each direction can be cut by itself. */
export class Network {
  lossRate = 0;
  duplicateRate = 0;
  /** Milliseconds that a message takes at most. */
  slowest = 20;
  /** Messages that were lost on open links, for the report. */
  lost = 0;
  repeated = 0;
  /** Messages that came before one that had been sent earlier the same way. */
  overtaken = 0;
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #isUp: (site: Site) => boolean;
  readonly #cuts = new Set<string>();
  /** When the last message of each direction arrives. */
  readonly #arrivals = new Map<string, number>();
  /** When a message between the two last got lost or found the way cut. */
  lastFailure = Number.NEGATIVE_INFINITY;

  constructor(timeline: Timeline, random: Random, isUp: (site: Site) => boolean) {
    this.#timeline = timeline;
    this.#random = random;
    this.#isUp = isUp;
  }

  cut(from: Site, to: Site): void {
    this.#cuts.add(`${from}>${to}`);
  }

  mend(from: Site, to: Site): void {
    this.#cuts.delete(`${from}>${to}`);
  }

  mendAll(): void {
    this.#cuts.clear();
    this.lossRate = 0;
    this.duplicateRate = 0;
    this.slowest = 20;
  }

  isOpen(from: Site, to: Site): boolean {
    if (!this.#isUp(from) || !this.#isUp(to)) return false;
    // Asked after every event.
    return this.#cuts.size === 0 || !this.#cuts.has(`${from}>${to}`);
  }

  isOpenBothWays(a: Site, b: Site): boolean {
    return this.isOpen(a, b) && this.isOpen(b, a);
  }

  latency(): number {
    return this.#random.between(0.5, this.slowest);
  }

  /** Whether a message gets through now. */
  passes(from: Site, to: Site): boolean {
    if (!this.isOpen(from, to)) {
      this.lastFailure = this.#timeline.now;
      return false;
    }
    if (!this.#random.chance(this.lossRate)) return true;
    this.lost += 1;
    this.lastFailure = this.#timeline.now;
    return false;
  }

  /**
   * A message and its answer.
   * @throws ColdspareError `peer-unreachable` when no answer came, and what `serve` throws
   */
  call<C extends Callee, T>(call: Call<C, T>): Promise<T> {
    const { caller, from, to, timeout } = call;
    return new Promise((resolve, reject) => {
      let isOver = false;
      const finish = (act: () => void) => {
        if (isOver || caller.hasEnded) return;
        isOver = true;
        deadline.isCancelled = true;
        act();
      };
      const giveUp = () => finish(() => reject(unreachable(`no answer from ${to}`)));
      let deadline = this.#timeline.after(Math.min(CONNECT_TIMEOUT, timeout), giveUp);
      const send = () =>
        this.#deliver(from, to, () => {
          if (!isOver) {
            deadline.isCancelled = true;
            deadline = this.#timeline.after(timeout, giveUp);
          }
          this.#serve(call, (settle) => finish(() => settle(resolve, reject)));
        });
      send();
      if (call.mayRepeat && this.#random.chance(this.duplicateRate)) {
        this.repeated += 1;
        this.#timeline.after(this.#random.between(0, 20_000), send);
      }
    });
  }

  #deliver(from: Site, to: Site, arrive: () => void): void {
    if (!this.passes(from, to)) return;
    const latency = this.latency();
    this.#countOvertaking(`${from}>${to}`, this.#timeline.now + latency);
    this.#timeline.after(latency, () => {
      if (this.isOpen(from, to)) arrive();
      else this.lastFailure = this.#timeline.now;
    });
  }

  #countOvertaking(way: string, arrival: number): void {
    const last = this.#arrivals.get(way) ?? 0;
    if (arrival < last) this.overtaken += 1;
    this.#arrivals.set(way, Math.max(arrival, last));
  }

  #serve<C extends Callee, T>(
    { callee: find, serve, from, to }: Call<C, T>,
    settle: (how: (resolve: (value: T) => void, reject: (error: unknown) => void) => void) => void,
  ): void {
    const answer = (how: Parameters<typeof settle>[0]) =>
      this.#deliver(to, from, () => settle(how));
    const reset = (why: string) => answer((_resolve, reject) => reject(unreachable(why)));
    const callee = find();
    if (callee === undefined) {
      reset(`nothing listens on ${to}`);
      return;
    }
    const forget = callee.life.whenEnded(() => reset(`${to} closed the connection`));
    serve(callee).then(
      (value) => {
        forget();
        if (!callee.life.hasEnded) answer((resolve) => resolve(value));
      },
      (error: unknown) => {
        forget();
        if (!callee.life.hasEnded) answer((_resolve, reject) => reject(error));
      },
    );
  }
}

export const unreachable = (why: string): ColdspareError =>
  new ColdspareError(
    'peer-unreachable',
    why,
    'look at the agent of the other node and at the link to it',
    { value: why.replace('nothing listens', 'it refuses: nothing listens') },
  );
