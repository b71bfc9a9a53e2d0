import { isDeepStrictEqual } from 'node:util';
import type { Order } from '../embedded-stack/shop/database.js';
import { eventually } from '../lib/agent-process.js';
import { keepDoing } from './keep-doing.js';

/** Milliseconds from an answer to the next order, and until an order without an answer is given up. */
const PACE = 150;
const TIMEOUT = 6_000;
const COFFEES = 4;
const LARGEST_ORDER = 100;

export interface Accepted {
  /** As the shop confirmed it. */
  order: Order;
  /** Milliseconds since 1970, when the confirmation arrived. */
  at: number;
}

/** What became of the confirmed orders, without those that were lost at an earlier check. */
export interface Audit {
  kept: number;
  lost: Accepted[];
}

/**
 * Orders coffee through VCL1 all the time, one order after the other, and records what the shop has confirmed: it has
 * to be there later. Knows nothing of servers.
 */
export class Customers {
  readonly #shop: string;
  readonly #accepted: Accepted[] = [];
  readonly #lost = new Set<Accepted>();
  #leave = async () => {};

  constructor(shop: string) {
    this.#shop = shop;
  }

  start(): void {
    let number = 0;
    this.#leave = keepDoing(PACE, async (signal) => {
      number += 1;
      await this.#order(number, signal).catch(() => {
        // Refused or unanswered: the customer never saw a confirmation, and orders something else next.
      });
    });
  }

  stop(): Promise<void> {
    return this.#leave();
  }

  /** Resolves once `count` more orders were confirmed. */
  async place(count: number): Promise<void> {
    const enough = this.#accepted.length + count;
    await eventually(
      `${count} more orders are confirmed`,
      async () => this.#accepted.length >= enough,
      60_000,
    );
  }

  /** Compares the confirmed orders with what the shop lists now. A lost order counts once. */
  async audit(): Promise<Audit> {
    const expected = this.#accepted.filter((accepted) => !this.#lost.has(accepted));
    const listed = new Map((await this.#list()).map((order) => [order.id, order]));
    const lost = expected.filter(({ order }) => !isDeepStrictEqual(listed.get(order.id), order));
    for (const accepted of lost) this.#lost.add(accepted);
    return { kept: expected.length - lost.length, lost };
  }

  /** The longest time without a confirmed order since the moment `since`, in seconds. */
  longestWait(since: number): number {
    const times = this.#accepted.map(({ at }) => at);
    const waits = times.flatMap((at, index) => {
      const before = times[index - 1];
      return at < since || before === undefined ? [] : [at - before];
    });
    return Math.max(...waits) / 1_000;
  }

  /** No two of four hundred orders are alike, so an id that was used twice shows. */
  async #order(number: number, signal: AbortSignal): Promise<void> {
    const coffeeId = (number % COFFEES) + 1;
    const quantity = (Math.floor(number / COFFEES) % LARGEST_ORDER) + 1;
    const response = await fetch(`${this.#shop}/order`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ coffeeId, quantity }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]),
    });
    const answer = await response.json();
    if (response.status === 201) this.#accepted.push({ order: answer as Order, at: Date.now() });
  }

  #list(): Promise<Order[]> {
    return eventually('the shop lists its orders', async () => {
      const response = await fetch(`${this.#shop}/orders`, {
        signal: AbortSignal.timeout(TIMEOUT),
      });
      return response.ok && ((await response.json()) as Order[]);
    });
  }
}
