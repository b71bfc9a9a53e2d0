import { Hono } from 'hono';
import type pg from 'pg';
import { z } from 'zod';
import { listCoffees, listOrders, placeOrder } from './database.js';

const LARGEST_INTEGER = 2_147_483_647;

const orderSchema = z.object({
  coffeeId: z.int().positive().max(LARGEST_INTEGER),
  quantity: z.int().positive().max(100),
});

/** The coffee shop. Whatever the database refuses or does not answer is a 503. */
export const createRoutes = (pool: pg.Pool): Hono => {
  const app = new Hono();

  app.get('/coffees', async (context) => context.json(await listCoffees(pool)));

  app.get('/orders', async (context) => context.json(await listOrders(pool)));

  app.post('/order', async (context) => {
    const order = orderSchema.safeParse(await context.req.json().catch(() => undefined));
    if (!order.success) return context.json({ error: z.prettifyError(order.error) }, 400);
    const { coffeeId, quantity } = order.data;
    const placed = await placeOrder(pool, coffeeId, quantity);
    if (placed === undefined) return context.json({ error: `no coffee ${coffeeId}` }, 400);
    return context.json(placed, 201);
  });

  app.onError((error, context) => {
    console.error(`${context.req.method} ${context.req.path}: ${error.message}`);
    return context.json({ error: `the database did not do it: ${error.message}` }, 503);
  });

  return app;
};
