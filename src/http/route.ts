import type { Context } from 'hono';
import type { z } from 'zod';
import type { ErrorCode } from '../domain/errors.js';
import type { Source } from '../domain/operation.js';
import type { Node } from '../operations/node.js';
import type { Metrics } from './metrics/metrics.js';

/** Who may come in. Each door has its own key, and a key opens no other door. */
export type Door = 'peer' | 'admin' | 'webhook';

/** What the server knows of the connection that a request came over. */
export interface Caller {
  /** The other end of the socket. What a header says of it could be made up. */
  address: string;
  /** The other end has shown a certificate of TLS_CA, or needs none. */
  isCertified: boolean;
  /** A right key came over this connection. */
  isKnown(): void;
  /** Aborted when the agent stops listening: what would never end by itself ends then. */
  closing: AbortSignal;
}

export interface HttpEnv {
  Bindings: Caller;
  Variables: {
    /** The door that the caller's key opened; undefined on a route that is open to all. */
    door: Door | undefined;
    metrics: Metrics;
  };
}

export type HttpContext = Context<HttpEnv>;

/** Headers of a request that some routes understand; `openapi.ts` describes each. */
export type RequestHeader =
  | 'Prefer'
  | 'Idempotency-Key'
  | 'Coldspare-Epoch'
  | 'Content-Digest'
  | 'Content-Range'
  | 'webhook-id';

/** A route for those who call it. What all routes of its kind have in common is left out: see `openapi.ts`. */
export interface About {
  summary: string;
  /** The varying parts of the path. */
  params?: Readonly<Record<string, z.ZodType>>;
  query?: z.ZodObject;
  headers?: readonly RequestHeader[];
  /** The body as JSON by its schema, or the media type of another. */
  body?: z.ZodType | string;
  /** By status: a schema with an id, the media type of what is no JSON, or null for nothing. */
  answers: Readonly<Record<number, z.ZodType | string | null>>;
  /** Why it may say no, besides what its doors and parameters have said before it. */
  problems?: readonly ErrorCode[];
}

/** One line of the contract. The table of all of them is what the doors, the 405s and the tests go by. */
export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With `:name` for a part that varies. */
  path: string;
  /** None: open to all. */
  doors: readonly Door[];
  /** A peer that is behind us is refused, because what it sends belongs to a past epoch. */
  refusesStaleEpoch?: true;
  /** What GET /openapi.json says of it. */
  about: About;
  handle(c: HttpContext, node: Node): Response | Promise<Response>;
}

/** Who asks, as operations name it. */
export const sourceOf = (c: HttpContext): Source => {
  const door = c.get('door');
  return door === 'peer' || door === 'webhook' ? door : 'operator';
};
