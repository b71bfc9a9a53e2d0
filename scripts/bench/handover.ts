import { setTimeout as pause } from 'node:timers/promises';
import type { Shop } from './shop.js';

const WRITE_EVERY = 20;

/** VCL3 hands over to VCL2 while a customer goes on ordering. Measures the seconds in which no order was accepted. */
export const giveBack = async (shop: Shop): Promise<number> => {
  const over = new AbortController();
  const refused = orderAcross(shop, over.signal);
  try {
    await shop.run(shop.vcl3, '/demote');
    await shop.serves(shop.vcl2);
    const seconds = await refused;
    if (!(await shop.isRight(shop.vcl2.appUrl)))
      throw new Error('an order that was acknowledged is gone after the handover');
    return seconds;
  } finally {
    over.abort();
  }
};

/** Orders at VCL3 until VCL2 accepts an order. Resolves to the seconds from the last order there to the first here. */
const orderAcross = async (shop: Shop, signal: AbortSignal): Promise<number> => {
  let last = performance.now();
  while (!signal.aborted) {
    if (await shop.tryOrder(shop.vcl3)) last = performance.now();
    else if (await shop.tryOrder(shop.vcl2)) return (performance.now() - last) / 1_000;
    await pause(WRITE_EVERY);
  }
  return Number.NaN;
};
