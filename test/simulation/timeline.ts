/** Something that will happen. Setting `isCancelled` makes sure that it does not. */
export interface Timer {
  readonly at: number;
  readonly order: number;
  readonly happen: () => void;
  isCancelled: boolean;
}

/**
 * Simulated time: events in the order of their moments, in milliseconds since the beginning, and of their making
 * when they share one. Between two events all promises settle that can, so that the same events always find the
 * same world.
 */
export class Timeline {
  now = 0;
  events = 0;
  readonly #heap: Timer[] = [];
  #made = 0;

  after(ms: number, happen: () => void): Timer {
    const timer = { at: this.now + ms, order: this.#made, happen, isCancelled: false };
    this.#made += 1;
    this.#push(timer);
    return timer;
  }

  /** Lets things happen until `isOver`, which is asked after every event. */
  async run(isOver: () => boolean): Promise<void> {
    await settled();
    while (!isOver()) {
      const timer = this.#pop();
      if (timer === undefined) return;
      if (timer.isCancelled) continue;
      this.now = timer.at;
      this.events += 1;
      timer.happen();
      await settled();
    }
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(timer);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(timer, heap[parent] as Timer)) break;
      heap[index] = heap[parent] as Timer;
      index = parent;
    }
    heap[index] = timer;
  }

  #pop(): Timer | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Timer, heap[child] as Timer))
        child += 1;
      if (!isBefore(heap[child] as Timer, last)) break;
      heap[index] = heap[child] as Timer;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

const isBefore = (a: Timer, b: Timer): boolean => (a.at === b.at ? a.order < b.order : a.at < b.at);

/** Node empties its queues of promises and next ticks before it comes to an immediate. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
