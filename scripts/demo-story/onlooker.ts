import type { Order } from '../embedded-stack/shop/database.js';
import { keepDoing } from './keep-doing.js';
import type { ServerAddress } from './load-balancer.js';

/** Milliseconds. */
const LOOK_INTERVAL = 250;
const LOOK_TIMEOUT = 2_000;

/** What a server's own app answered, asked directly and not through VCL1. Both are numbers of answers. */
interface Sightings {
  served: number;
  /** The app served nothing but the seeds that its migration puts into an empty database. */
  seedsAlone: number;
}

/** Asks both apps all the time, to detect what must never happen. */
export class Onlooker {
  readonly #servers: readonly ServerAddress[];
  readonly #sightings = new Map<string, Sightings>();
  #leave = async () => {};
  /** How often both apps served at the same time. */
  twoAtOnce = 0;

  constructor(servers: readonly ServerAddress[]) {
    this.#servers = servers;
  }

  of(name: string): Sightings {
    return this.#sightings.get(name) ?? { served: 0, seedsAlone: 0 };
  }

  start(): void {
    this.#leave = keepDoing(LOOK_INTERVAL, () => this.#look());
  }

  stop(): Promise<void> {
    return this.#leave();
  }

  async #look(): Promise<void> {
    const views = await Promise.all(this.#servers.map(viewOf));
    const serving = views.filter(({ orders }) => orders !== undefined);
    if (serving.length > 1) this.twoAtOnce += 1;
    for (const { name, orders } of serving) {
      const { served, seedsAlone } = this.of(name);
      const isSeeds = orders?.every(({ placedBy }) => placedBy === 'seed');
      this.#sightings.set(name, {
        served: served + 1,
        seedsAlone: seedsAlone + (isSeeds ? 1 : 0),
      });
    }
  }
}

const viewOf = async ({ name, appUrl }: ServerAddress) => ({
  name,
  orders: await ordersAt(appUrl),
});

/** Undefined when the app does not serve. */
const ordersAt = async (appUrl: string): Promise<Order[] | undefined> => {
  try {
    const response = await fetch(`${appUrl}/orders`, { signal: AbortSignal.timeout(LOOK_TIMEOUT) });
    return response.ok ? ((await response.json()) as Order[]) : undefined;
  } catch {
    return undefined;
  }
};
