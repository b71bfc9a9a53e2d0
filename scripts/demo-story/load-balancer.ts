import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { proxy } from 'hono/proxy';
import { keepDoing } from './keep-doing.js';

/** Milliseconds between two checks of which server is the primary, and for the answer to each. */
const LOOK_INTERVAL = 250;
const LOOK_TIMEOUT = 1_000;
/** Milliseconds for the app's answer. */
const REQUEST_TIMEOUT = 5_000;

export interface ServerAddress {
  name: string;
  agentUrl: string;
  appUrl: string;
}

export interface LoadBalancer {
  /** The address that customers use. */
  url: string;
  /** The server that requests go to; undefined while no agent says that it serves. */
  primary(): string | undefined;
  close(): Promise<void>;
}

/**
 * What nginx does on VCL1: one address that follows `GET /primary` of the agents. A request goes to one server
 * once: repeated on the other one, a write could be applied twice.
 */
export const openLoadBalancer = async (
  servers: readonly ServerAddress[],
): Promise<LoadBalancer> => {
  let primary: ServerAddress | undefined;
  const stopLooking = keepDoing(LOOK_INTERVAL, async () => {
    const answers = await Promise.all(servers.map(saysPrimary));
    primary = servers.find((_, index) => answers[index]);
  });

  const app = new Hono();
  app.all('*', (context) =>
    primary === undefined
      ? problem(context, 503, 'no server is primary now')
      : forward(context, primary),
  );
  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }) as Server;
  await once(server, 'listening');

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    primary: () => primary?.name,
    close: async () => {
      await stopLooking();
      server.close();
      server.closeAllConnections();
    },
  };
};

const saysPrimary = async ({ agentUrl }: ServerAddress): Promise<boolean> => {
  const signal = AbortSignal.timeout(LOOK_TIMEOUT);
  const response = await fetch(`${agentUrl}/primary`, { signal }).catch(() => undefined);
  await response?.body?.cancel();
  return response?.ok ?? false;
};

const forward = async (context: Context, { name, appUrl }: ServerAddress): Promise<Response> => {
  const { pathname, search } = new URL(context.req.url);
  const signal = AbortSignal.timeout(REQUEST_TIMEOUT);
  try {
    return await proxy(appUrl + pathname + search, { raw: context.req.raw, signal });
  } catch {
    return problem(
      context,
      502,
      `${name} did not answer; nothing was repeated on the other server`,
    );
  }
};

const problem = (context: Context, status: 502 | 503, title: string): Response =>
  context.body(JSON.stringify({ status, title }), status, {
    'Content-Type': 'application/problem+json',
  });
